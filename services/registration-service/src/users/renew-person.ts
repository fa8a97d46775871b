import type { CallContext } from '@muster/rpc'
import { keyFingerprint } from '@muster/pki'
import type { Deps } from '../deps.ts'
import { unknownUser } from './check-operator.ts'
import { signPerson, type Signed } from './sign-person.ts'
import { recordUserRenewal, selectSession } from './users.ts'

/** Somebody who has proved that they hold this key, by a certificate or by the key alone. */
export interface Prover {
  name: string
  publicKeyDer: Buffer
  /** Their SPIFFE id. */
  actor: string
  hasReturned: boolean
}

/**
 * The next certificate for the key that a person signed up with: their roles of now, until their session ends at most.
 * Safe to repeat. @throws USER_UNKNOWN for another key, and once the person is removed, reset, or their session over
 */
export async function renewPerson(
  deps: Pick<Deps, 'pool' | 'authority' | 'people'>,
  { name, publicKeyDer, actor, hasReturned }: Prover,
  context: CallContext,
): Promise<Signed> {
  const holder = { name, keyFingerprint: keyFingerprint(publicKeyDer) }
  const session = await selectSession(deps.pool, holder)
  if (session === undefined) throw unknownUser(name)
  const signed = await signPerson(deps, { name, publicKeyDer, ...session }, context)
  const { serial, expiresAt } = signed.certificate
  const { remoteAddress } = context
  const renewal = { ...holder, serial, expiresAt, actor, remoteAddress, hasReturned }
  if (!(await recordUserRenewal(deps.pool, renewal))) throw unknownUser(name)
  return signed
}
