import type { ca, users } from '@muster/contracts'
import { AppError } from '@muster/domain'
import type { CallContext } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import type { Session } from './users.ts'

/** What a person gets by a signup and by a renewal. */
export type Signed = users.SignupResponse & { certificate: ca.IssuedCertificate & { expiresAt: Date } }

/** Has a person's key signed by ca-service, for no longer than their session. Safe to repeat. */
export async function signPerson(
  { authority, people }: Pick<Deps, 'authority' | 'people'>,
  { sessionExpiresAt, ...person }: Session & { name: string; publicKeyDer: Buffer },
  context: CallContext,
): Promise<Signed> {
  const request = { ...person, sessionExpiresAt }
  const { certificate, trustBundle } = await authority.signUser(request, { parent: context })
  const expiresAt = certificate?.expiresAt
  if (expiresAt === undefined) throw new AppError('internal', 'ca-service answered without a certificate')
  return { certificate: { ...certificate!, expiresAt }, trustBundle, sessionExpiresAt, addresses: people.addresses }
}
