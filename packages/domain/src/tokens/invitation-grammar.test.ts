import { readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { NODE_ROLES } from '../names/roles.ts'
import { formatInvitation, parseInvitation } from './invitation.ts'

const document = readFileSync(new URL('../../../../docs/invitation.md', import.meta.url), 'utf8')

/** The lines of the code block below a heading of the document. */
function block(heading: string): string[] {
  return new RegExp(`## ${heading}\n[^]*?\`\`\`\\w+\n([^]*?)\n\`\`\``).exec(document)![1]!.split('\n')
}

// The rules of the document, from the smallest up.
const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?'
const HOST = `(?:${LABEL}(?:\\.${LABEL})*|\\[[0-9A-Fa-f:.]+\\])`
const TOKEN = `(?:[\\x21-\\x22\\x24\\x26-\\x2e\\x30-\\x3e\\x41-\\x7e]|%[0-9A-Fa-f]{2})+`
const PINS = 'pins=sha256:[0-9a-f]{64}(?:,sha256:[0-9a-f]{64})*'
const ROLES = `roles=(?:${NODE_ROLES.join('|')})(?:,(?:${NODE_ROLES.join('|')}))*`
const PARAMETER = `(?:${PINS}|${ROLES}|[\\x21-\\x22\\x24-\\x25\\x27-\\x7e]*)`
const GRAMMAR = new RegExp(`^muster://${TOKEN}@${HOST}:[0-9]{1,5}/?\\?${PARAMETER}(?:&${PARAMETER})*$`, 'i')

describe('docs/invitation.md', () => {
  test.each(block('Examples'))('docs/invitation.md gives an example that is an invitation: %s', (text) => {
    expect(parseInvitation(text).caPins).toContain(`sha256:${'0a'.repeat(32)}`)
    expect(text).toMatch(GRAMMAR)
  })

  test.each(block('Not invitations'))('docs/invitation.md gives an example that is not an invitation: %s', (text) => {
    expect(() => parseInvitation(text)).toThrow(/^invitation: /)
  })

  test('docs/invitation.md names every role', () => {
    const roles = block('Grammar').find((line) => line.startsWith('role '))
    expect(roles!.match(/"[a-z]+"/g)).toEqual(NODE_ROLES.map((role) => `"${role}"`))
  })

  test('the grammar of docs/invitation.md has a rule for every invitation that is written', () => {
    const printable = fc.string({
      unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
      minLength: 1,
      maxLength: 256,
    })
    const invitation = fc.record({
      token: printable,
      address: fc.constantFrom('auth.example.com:3025', '10.0.0.7:1', '[2001:db8::1]:65535'),
      caPins: fc.array(fc.constantFrom(`sha256:${'0a'.repeat(32)}`, `sha256:${'1b'.repeat(32)}`), { minLength: 1 }),
      roles: fc.uniqueArray(fc.constantFrom(...NODE_ROLES), { minLength: 1 }),
    })
    fc.assert(fc.property(invitation, (one) => GRAMMAR.test(formatInvitation(one))))
  })
})
