import { registration } from '@muster/contracts'
import { AppError, refusal } from '@muster/domain'
import type { NodeIdentity } from '@muster/identity'
import { dersFromPem, privateKeyFromPem, signChallenge } from '@muster/pki'
import { type CallOptions, connect, type ProxyFor, TlsIdentity } from '@muster/rpc'
import { identityOf } from './node-identity.ts'

/** What a recovery needs besides the identity. */
export interface RecoveryDeps {
  authServer: string
  proxyFor: ProxyFor
}

/**
 * Gets a node whose certificate has expired another one for its key, without a token: it shows the certificate and signs a
 * challenge. The connection shows no certificate, since servers bar those who keep showing expired ones. It trusts the roots
 * that the node had; roots that a later root of the cluster vouches for belong here.
 * @returns the identity, which is not on disk yet. @throws AppError if the cluster refuses or cannot be reached
 */
export async function recover(
  { keyPem, chainPem, bundlePem, profile }: NodeIdentity,
  { authServer, proxyFor }: RecoveryDeps,
  call: CallOptions,
): Promise<NodeIdentity> {
  const identity = new TlsIdentity({ hostRootsPem: bundlePem, userRootsPem: '' })
  const { clusterName } = profile
  const addresses = [authServer]
  const connection = connect({ addresses, identity, service: 'registration-service', clusterName, proxyFor })
  try {
    const client = connection.client(registration.RegistrationServiceService)
    const formerChainDer = dersFromPem(chainPem)
    const { challenge } = await client.recoverCertificate({ formerChainDer, challengeSignature: Buffer.alloc(0) }, call)
    const challengeSignature = signChallenge(privateKeyFromPem(keyPem), challenge)
    const grant = await client.recoverCertificate({ formerChainDer, challengeSignature }, call)
    return identityOf({ keyPem, grant, profile, trustedRootsPem: bundlePem })
  } catch (error) {
    const isOlderServer = error instanceof AppError && error.kind === 'unimplemented'
    if (isOlderServer)
      throw refusal('CERTIFICATE_EXPIRED', 'the certificate has expired, and this cluster lets no node recover')
    throw error
  } finally {
    connection.close()
  }
}

/** True for the error of a caller whose certificate is none to the server, as an expired one is. */
export function isStranger(error: unknown): boolean {
  return error instanceof AppError && (error.reason === 'NO_IDENTITY' || error.reason === 'CERTIFICATE_EXPIRED')
}
