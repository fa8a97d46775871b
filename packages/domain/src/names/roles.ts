import { invalid } from '../errors/errors.ts'
import { printable } from '../values/printable.ts'

/** What a node may be; the types of join token. */
export const NODE_ROLES = ['app', 'auth', 'bot', 'db', 'discovery', 'kube', 'node', 'proxy', 'windowsdesktop'] as const
/** A role of a node. */
export type NodeRole = (typeof NODE_ROLES)[number]

/** What an operator may do: read, manage tokens and nodes, everything. Each includes the one before. */
export const OPERATOR_ROLES = ['viewer', 'operator', 'admin'] as const
/** A role of an operator. */
export type OperatorRole = (typeof OPERATOR_ROLES)[number]

/**
 * Stands beside the roles in a certificate that `ca-service issue-admin` made. Its holder is not a person of the cluster, so
 * services do not check the roll for it. No RPC issues it.
 */
export const BREAK_GLASS = 'break-glass'

/**
 * Checks a list of node roles: at least one, known, folded to lower case, without repeats, sorted.
 * @throws invalidArgument that names the field and the valid roles
 */
export function parseNodeRoles(values: readonly string[], field = 'roles'): NodeRole[] {
  return parseRoles(values, NODE_ROLES, field)
}

/**
 * Checks the roles of a newcomer as `parseNodeRoles` does, or of a token: a bot has no other role.
 * @throws invalidArgument that names the field
 */
export function parseJoinRoles(values: readonly string[], field = 'roles'): NodeRole[] {
  const roles = parseNodeRoles(values, field)
  if (roles.includes('bot') && roles.length > 1) throw invalid(field, 'bot cannot be combined with other roles')
  return roles
}

/** Checks a list of operator roles in the same way as node roles. @throws invalidArgument */
export function parseOperatorRoles(values: readonly string[], field = 'roles'): OperatorRole[] {
  return parseRoles(values, OPERATOR_ROLES, field)
}

function parseRoles<R extends string>(values: readonly string[], known: readonly R[], field: string): R[] {
  const valid = `valid values: ${known.join(', ')}`
  if (values.length === 0) throw invalid(field, `at least one is needed; ${valid}`)
  const roles = new Set<R>()
  for (const value of values) {
    const role = known.find((k) => k === value.trim().toLowerCase())
    if (role === undefined) throw invalid(field, `${printable(value)} is not known; ${valid}`)
    roles.add(role)
  }
  return [...roles].sort()
}
