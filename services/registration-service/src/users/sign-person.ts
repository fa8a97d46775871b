import type { ca, users } from '@muster/contracts'
import { issuedCertificate, type IssuedCertificate } from '@muster/identity'
import type { CallContext } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import type { Session } from './store/sessions.ts'

/** The reply to a signup and to a renewal. */
export type Signed = users.SignupResponse & { certificate: IssuedCertificate; trustBundle: ca.TrustBundle }

/** Has a person's key signed by ca-service, for no longer than their session. Safe to repeat. */
export async function signPerson(
  { authority, people }: Pick<Deps, 'authority' | 'people'>,
  { sessionExpiresAt, ...person }: Session & { name: string; publicKeyDer: Buffer },
  context: CallContext,
): Promise<Signed> {
  const request = { ...person, sessionExpiresAt }
  const signed = await authority.signUser(request, { parent: context })
  return { ...issuedCertificate(signed, 'ca-service'), sessionExpiresAt, addresses: people.addresses }
}
