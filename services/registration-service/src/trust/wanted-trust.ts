import type { ServiceIdentity } from '@muster/service-kit'
import type { GrantedTrust } from './granted-trust.ts'

/**
 * The authority and the bundle that nodes and bots should have now, while a rotation of the host authority is in progress;
 * undefined otherwise, and while ca-service does not tell.
 */
export function wantedTrust({ trustBundle, signers }: Pick<ServiceIdentity, 'trustBundle' | 'signers'>) {
  const { version, hostRootsDer } = trustBundle()
  const signer = signers()?.node
  if (signer === undefined || hostRootsDer.length < 2) return undefined
  return { authorityNumber: signer, trustVersion: version } satisfies GrantedTrust
}
