import { invalid } from '../errors/errors.ts'
import { findService } from './services.ts'
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

/**
 * Checks the name that a new person or bot is to have. Foreign programs map the common name of a certificate, so it must
 * not be the one of a node, of a service, or of the operator of a local cluster. @throws invalidArgument
 */
export function parseNewMemberName(value: string, field = 'name'): string {
  const name = parseMemberName(value, field)
  if (isNodeId(name)) throw invalid(field, `${printable(value)} has the form of a node id; choose another`)
  if (name === 'operator' || findService(name) !== undefined) {
    throw invalid(field, `${printable(value)} is kept for the cluster itself; choose another`)
  }
  return name
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
