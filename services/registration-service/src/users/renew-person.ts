import { type AppError, refusal } from '@muster/domain'
import type { CallContext } from '@muster/rpc'
import { keyFingerprint } from '@muster/pki'
import type { Deps } from '../deps.ts'
import { grantedCertificate } from '../trust/granted-trust.ts'
import { whyNotServed } from './why-refused.ts'
import { signPerson, type Signed } from './sign-person.ts'
import { recordUserRenewal } from './store/certificates.ts'
import { chargeRenewal, RENEWAL_COSTS_SECONDS } from './store/sessions.ts'

/** A caller who has proved that they hold this key, by a certificate or by the key alone. */
export interface Prover {
  name: string
  publicKeyDer: Buffer
  /** Their SPIFFE id. */
  actor: string
  hasReturned: boolean
}

/**
 * Issues the next certificate for the key that a person signed up with, with their current roles and no longer than their
 * session. Safe to repeat, within the rate of renewals. @throws USER_UNKNOWN for another key, or if the person was removed or
 * reset or the session is over; USER_LOCKED; RENEWED_JUST_NOW beyond the rate
 */
export async function renewPerson(
  deps: Pick<Deps, 'pool' | 'authority' | 'people'>,
  { name, publicKeyDer, actor, hasReturned }: Prover,
  context: CallContext,
): Promise<Signed> {
  const holder = { name, keyFingerprint: keyFingerprint(publicKeyDer) }
  const session = await chargeRenewal(deps.pool, holder)
  if (session === undefined) throw await whyNotServed(deps.pool, holder)
  if (session === 'too-soon') throw renewedTooOften()
  const signed = await signPerson(deps, { name, publicKeyDer, ...session }, context)
  const { remoteAddress } = context
  const renewal = { ...holder, ...grantedCertificate(signed), actor, remoteAddress, hasReturned }
  if (!(await recordUserRenewal(deps.pool, renewal))) throw await whyNotServed(deps.pool, holder)
  return signed
}

function renewedTooOften(): AppError {
  const message = 'the certificate was renewed too often; try again later'
  const retryAfterMs = RENEWAL_COSTS_SECONDS * 1_000
  return refusal('RENEWED_JUST_NOW', message, { retryAfterMs })
}
