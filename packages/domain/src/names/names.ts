import { invalid } from '../errors/errors.ts'
import { refuseToken } from '../tokens/refuse-token.ts'
import { isTokenId } from '../tokens/token-value.ts'
import { printable } from '../values/printable.ts'

/** Checks the name of a person or a bot: a lower-case letter, then letters, digits, `-`, `_`, `.`. @throws invalidArgument */
export function parseMemberName(value: string, field = 'name'): string {
  refuseToken(value, field)
  if (!/^[a-z][a-z0-9._-]{0,62}$/.test(value)) {
    throw invalid(field, `${printable(value)} must start with a lower-case letter; then a-z, 0-9, . _ -; at most 63`)
  }
  return value
}

/** Checks the name of a token: like a member's, and not in the form of a token id. @throws invalidArgument */
export function parseTokenName(value: string, field = 'name'): string {
  const name = parseMemberName(value, field)
  if (isTokenId(name)) throw invalid(field, `${printable(value)} looks like a token id; choose another`)
  return name
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** True for a node id in canonical form. */
export function isNodeId(value: string): boolean {
  return UUID.test(value)
}

/** Checks that a node id is in canonical form. @throws invalidArgument */
export function parseNodeId(value: string, field = 'node_id'): string {
  if (!isNodeId(value)) throw invalid(field, `${printable(value)} is not a UUID`)
  return value
}
