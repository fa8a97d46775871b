import type { users } from '@muster/contracts'
import { type AppError, invalid, type OperatorRole, parseMemberName, refusal } from '@muster/domain'
import { keyFingerprint } from '@muster/pki'
import type { Db } from '@muster/postgres'
import type { CurrentRoles, UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { selectCurrentRoles, type KeyHolder } from './users.ts'

/** Tells the other services which roles a person has now. Safe to repeat. */
export function checkOperator({
  pool,
}: Pick<Deps, 'pool'>): UnaryHandler<users.CheckOperatorRequest, users.CheckOperatorResponse> {
  return async (request) => {
    const name = parseMemberName(request.name)
    if (request.keyFingerprint.length !== 32) throw invalid('key_fingerprint', 'must be 32 bytes')
    return { roles: await rolesOf(pool, { name, keyFingerprint: request.keyFingerprint }) }
  }
}

/** The same for the service that keeps the roll of people itself. */
export function operatorRoles(pool: Db): CurrentRoles {
  return ({ name, publicKeyDer }) => rolesOf(pool, { name, keyFingerprint: keyFingerprint(publicKeyDer) })
}

async function rolesOf(pool: Db, holder: KeyHolder): Promise<OperatorRole[]> {
  const roles = await selectCurrentRoles(pool, holder)
  if (roles === undefined) throw unknownUser(holder.name)
  return roles
}

/** The certificate is genuine but its holder is no person of the cluster: removed, reset, signed up anew, session over. */
export function unknownUser(name: string): AppError {
  const message = `you are no longer a user of this cluster, or signed up anew elsewhere; ask an admin for 'musterctl users reset ${name}'`
  return refusal('USER_UNKNOWN', message)
}
