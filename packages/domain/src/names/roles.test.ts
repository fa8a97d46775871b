import { describe, expect, test } from '@jest/globals'
import { BREAK_GLASS, NODE_ROLES, OPERATOR_ROLES, parseNodeRoles, parseOperatorRoles } from './roles.ts'
import { expectInvalid } from '../../test/support/failures.ts'

describe('roles', () => {
  test('roles are lower-cased, sorted and listed once', () => {
    expect(parseNodeRoles([' Proxy', 'node', 'NODE'])).toEqual(['node', 'proxy'])
    expect(parseOperatorRoles(['viewer', 'ADMIN'])).toEqual(['admin', 'viewer'])
  })

  test('roles are required', () => {
    expectInvalid(() => parseNodeRoles([]), 'roles')
    expectInvalid(() => parseNodeRoles(['']), 'roles')
  })

  test('unknown roles are refused with a list of all roles', () => {
    const message = expectInvalid(() => parseNodeRoles(['node', 'nod\n'], '--type'), '--type')
    for (const role of NODE_ROLES) expect(message).toContain(role)
    expect(message).toContain('"nod\\n"')
  })

  test('roles of operators are not roles of nodes, nor the other way round', () => {
    for (const role of OPERATOR_ROLES) expectInvalid(() => parseNodeRoles([role]), 'roles')
    for (const role of NODE_ROLES) expectInvalid(() => parseOperatorRoles([role]), 'roles')
  })

  test('roles that anyone can request do not include break-glass', () => {
    expectInvalid(() => parseNodeRoles([BREAK_GLASS]), 'roles')
    expectInvalid(() => parseOperatorRoles(['admin', BREAK_GLASS]), 'roles')
  })

  test.each(['constructor', '__proto__', 'nоde', 'node,proxy', 'node\0'])('roles may not be %j', (role) => {
    expectInvalid(() => parseNodeRoles([role]), 'roles')
  })
})
