import { describe, expect, test } from '@jest/globals'
import { formatInvitation, isInvitation, parseInvitation, type Invitation } from './invitation.ts'
import { expectInvalid } from '../../test/support/failures.ts'

const PIN = `sha256:${'0a'.repeat(32)}`
const OTHER_PIN = `sha256:${'1b'.repeat(32)}`
const SECRET = 'mtk_abcdefghij_canarycanarycanarycanarycanary22'
// No prefix tells that this one is a token.
const CUSTOM = 'canary-of-a-custom-token'
const INVITATION: Invitation = {
  address: 'auth.example.com:3025',
  token: SECRET,
  caPins: [PIN],
  roles: ['db', 'node'],
}
const TEXT = `muster://${SECRET}@auth.example.com:3025?pins=${PIN}&roles=db,node`

describe('an invitation', () => {
  test('an invitation is one string with everything that a machine needs to join', () => {
    expect(formatInvitation(INVITATION)).toBe(TEXT)
    expect(parseInvitation(TEXT)).toEqual(INVITATION)
  })

  test.each<[string, Partial<Invitation>]>([
    ['several pins', { caPins: [PIN, OTHER_PIN] }],
    ['an IPv6 address', { address: '[2001:db8::1]:3025' }],
    ['an IPv4 address', { address: '10.0.0.1:3025' }],
    ['a custom token with signs that mean something in a URL', { token: 'a@b:c/d?e=f&g#h%20+i\'"\\' }],
  ])('an invitation may carry %s', (_what, part) => {
    expect(parseInvitation(formatInvitation({ ...INVITATION, ...part }))).toEqual({ ...INVITATION, ...part })
  })

  test('an invitation is read with white space around it, an upper-case scheme, and a slash before its parameters', () => {
    for (const text of [`\n ${TEXT}\r\n`, TEXT.replace('muster', 'MUSTER'), TEXT.replace('?', '/?')]) {
      expect(parseInvitation(text)).toEqual(INVITATION)
    }
  })

  test('an invitation ignores parameters of a later version', () => {
    expect(parseInvitation(`${TEXT}&colour=green`)).toEqual(INVITATION)
  })

  test('an invitation is recognised by its scheme, complete or not', () => {
    for (const text of [TEXT, ` ${TEXT}`, 'MUSTER://x', 'muster://']) expect(isInvitation(text)).toBe(true)
    for (const text of ['', SECRET, 'muster', 'https://muster://', './muster://x'])
      expect(isInvitation(text)).toBe(false)
  })
})

describe('an invitation that is refused', () => {
  test.each([
    ['nothing', ''],
    ['the scheme alone', 'muster://'],
    ['no token', TEXT.replace(SECRET, '')],
    ['no address', `muster://${SECRET}?pins=${PIN}&roles=node`],
    ['no port', TEXT.replace(':3025', '')],
    ['an invalid port', TEXT.replace(':3025', ':99999')],
    ['an invalid host', TEXT.replace('auth.example.com', '-')],
    ['no parameters, as a shell leaves it that takes ? for a pattern', `muster://${SECRET}@auth.example.com:3025`],
    ['nothing after the first &, as a shell cuts it', TEXT.split('&')[0]!],
    ['no pins', `muster://${SECRET}@auth.example.com:3025?roles=node`],
    ['a pin that was cut', TEXT.replace(PIN, PIN.slice(0, -1))],
    ['an unknown role', TEXT.replace('db,node', 'db,nodes')],
    ['no roles', TEXT.replace('db,node', '')],
    ['a fragment', `${TEXT}#x`],
    ['white space inside', TEXT.replace('&', ' &')],
    ['two addresses', TEXT.replace('@', '@other@')],
    ['a token that is encoded wrongly', TEXT.replace(SECRET, `${SECRET}%zz`)],
    ['a token with a control character', TEXT.replace(SECRET, `${SECRET}%00`)],
    ['a token beyond ASCII', TEXT.replace(SECRET, `${SECRET}%C3%BC`)],
    ['a token of 257 characters', TEXT.replace(SECRET, 'x'.repeat(257))],
    ['4097 characters', `${TEXT}&x=${'x'.repeat(4097 - TEXT.length - 3)}`],
    // A person who mixes up the two halves must not see the token on the screen.
    ['address and token the other way round', `muster://auth.example.com:3025@${SECRET}?pins=${PIN}&roles=node`],
    ['the token among the pins', TEXT.replace(PIN, SECRET)],
    ['the token among the roles', TEXT.replace('db,node', SECRET)],
    ['address and custom token the other way round', `muster://auth.example.com:3025@${CUSTOM}?pins=${PIN}&roles=node`],
    ['a custom token as the port', TEXT.replace('3025', CUSTOM)],
    ['a custom token among the pins', TEXT.replace(PIN, CUSTOM)],
    ['a custom token among the roles', TEXT.replace('db,node', CUSTOM)],
  ])('an invitation that has %s is refused and not repeated', (_what, text) => {
    const message = expectInvalid(() => parseInvitation(text, 'MUSTER_INVITATION'), 'MUSTER_INVITATION')
    expect(message).not.toContain('canary')
  })
})
