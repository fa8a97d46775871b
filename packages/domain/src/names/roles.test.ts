import { describe, expect, test } from '@jest/globals'
import { BREAK_GLASS, NODE_ROLES, OPERATOR_ROLES, parseNodeRoles, parseOperatorRoles, printable } from './roles.ts'
import { expectInvalid } from '../../test/support/failures.ts'

describe('roles', () => {
  test('are folded, sorted and said once', () => {
    expect(parseNodeRoles([' Proxy', 'node', 'NODE'])).toEqual(['node', 'proxy'])
    expect(parseOperatorRoles(['viewer', 'ADMIN'])).toEqual(['admin', 'viewer'])
  })

  test('are needed', () => {
    expectInvalid(() => parseNodeRoles([]), 'roles')
    expectInvalid(() => parseNodeRoles(['']), 'roles')
  })

  test('that are not known are refused with all that are', () => {
    const message = expectInvalid(() => parseNodeRoles(['node', 'nod\n'], '--type'), '--type')
    for (const role of NODE_ROLES) expect(message).toContain(role)
    expect(message).toContain('"nod\\n"')
  })

  test('of operators are no roles of nodes, nor the other way', () => {
    for (const role of OPERATOR_ROLES) expectInvalid(() => parseNodeRoles([role]), 'roles')
    for (const role of NODE_ROLES) expectInvalid(() => parseOperatorRoles([role]), 'roles')
  })

  test('that anyone can ask for do not include break-glass', () => {
    expectInvalid(() => parseNodeRoles([BREAK_GLASS]), 'roles')
    expectInvalid(() => parseOperatorRoles(['admin', BREAK_GLASS]), 'roles')
  })

  test.each(['constructor', '__proto__', 'nоde', 'node,proxy', 'node\0'])('may not be %j', (role) => {
    expectInvalid(() => parseNodeRoles([role]), 'roles')
  })
})

describe('text made safe to show', () => {
  test('is quoted, and holds nothing but printable ASCII', () => {
    expect(printable('a"b')).toBe(String.raw`"a\"b"`)
    expect(printable('\u0000\n\u007f\u009b\u202e\u2028é')).toBe(String.raw`"\u0000\n\u007f\u009b\u202e\u2028\u00e9"`)
  })

  test('holds no generated token, wherever it stood', () => {
    const secret = 'canarycanarycanarycanarycanary22'
    expect(printable(`x mtk_abcdefghij_${secret} MTK_ABCDEFGHIJ_${secret.toUpperCase()}`)).not.toMatch(/canary/i)
    expect(printable(`${'x'.repeat(40)}mtk_abcdefghij_${secret}`)).not.toMatch(/canary/i)
    expect(printable(`mtk_abcdefghij_${secret.slice(0, 20)}`)).not.toMatch(/canary/i)
    expect(printable('mtk_abcdefghij')).toBe('"mtk_abcdefghij"')
  })

  test('is cut after 64 characters', () => {
    expect(printable('x'.repeat(64))).toBe(`"${'x'.repeat(64)}"`)
    expect(printable('x'.repeat(65))).toBe(`"${'x'.repeat(64)}…"`)
  })
})
