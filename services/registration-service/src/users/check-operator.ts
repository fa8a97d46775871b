import type { users } from '@muster/contracts'
import { invalid, type OperatorRole, parseMemberName } from '@muster/domain'
import { keyFingerprint } from '@muster/pki'
import type { Db } from '@muster/postgres'
import type { CurrentRoles, UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { whyNotServed } from './why-refused.ts'
import { selectCurrentRoles, type KeyHolder } from './store/sessions.ts'

/** Tells other services which roles a person has now. Safe to repeat. */
export function checkOperator({
  pool,
}: Pick<Deps, 'pool'>): UnaryHandler<users.CheckOperatorRequest, users.CheckOperatorResponse> {
  return async (request) => {
    const name = parseMemberName(request.name)
    if (request.keyFingerprint.length !== 32) throw invalid('key_fingerprint', 'must be 32 bytes')
    return { roles: await rolesOf(pool, { name, keyFingerprint: request.keyFingerprint }) }
  }
}

/** Returns the same roles for calls to this service itself. */
export function operatorRoles(pool: Db): CurrentRoles {
  return ({ name, publicKeyDer }) => rolesOf(pool, { name, keyFingerprint: keyFingerprint(publicKeyDer) })
}

async function rolesOf(pool: Db, holder: KeyHolder): Promise<OperatorRole[]> {
  const roles = await selectCurrentRoles(pool, holder)
  if (roles === undefined) throw await whyNotServed(pool, holder)
  return roles
}
