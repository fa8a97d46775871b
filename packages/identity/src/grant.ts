import type { ca } from '@muster/contracts'
import {
  AppError,
  AUTHORITY_OF,
  formatSpiffeId,
  type MemberKind,
  parseClusterName,
  type ServiceName,
} from '@muster/domain'
import { certifiedIdentity, chainPem, dersFromPem, privateKeyFromPem, publicKeyDer } from '@muster/pki'
import { type CertificateLife, lifeBetween } from './certificate-life.ts'

/** The certificate and trust bundle in the reply to a join, an enrolment, a signup or a renewal. */
export interface Grant {
  certificate: ca.IssuedCertificate | undefined
  trustBundle: ca.TrustBundle | undefined
}

/** A certificate that a service has issued. */
export type IssuedCertificate = ca.IssuedCertificate & { expiresAt: Date }

/** A grant is incomplete, or is not for the member that asked. Nothing of it may be stored or used. */
export class GrantError extends AppError {
  /** @param problem continues the sentence "SERVICE answered ..." */
  constructor(from: ServiceName, problem: string, details: { cause?: unknown } = {}) {
    super('internal', `${from} answered ${problem}`, details)
  }
}

/** What a member expects of a grant. */
export interface GrantRequest {
  /** The service that answered, for the error. */
  from: ServiceName
  /** The key that the certificate must be for. */
  keyPem: string
  kind: MemberKind
  name: string
  /** The member's cluster; undefined at the first grant, which names it. */
  clusterName?: string | undefined
  /** Host roots, PEM, that the member trusts already. The bundle may bring more. */
  trustedRootsPem: string
}

/** A grant that is complete and checked. */
export interface CheckedGrant {
  trustBundle: ca.TrustBundle
  /** Leaf first, then the issuing CA; PEM. */
  chainPem: string
  /** Host roots, PEM. */
  bundlePem: string
  life: CertificateLife
  /** Which authority of its type signed the certificate; a server that does not tell has only the first. */
  authorityNumber: number
}

/**
 * Checks that a grant is complete, and is for this member: for its key, its SPIFFE id, its cluster, and signed under a root
 * that it trusts or receives. Its dates are those of the server, which has just signed it. @throws GrantError
 */
export function parseGrant({ certificate, trustBundle }: Grant, request: GrantRequest): CheckedGrant {
  const { from, keyPem, kind, name, trustedRootsPem } = request
  const { chainDer = [] } = certificate ?? {}
  if (chainDer.length === 0) throw new GrantError(from, 'without a certificate')
  if (trustBundle === undefined || trustBundle.hostRootsDer.length === 0) {
    throw new GrantError(from, 'without a trust bundle')
  }
  const { hostRootsDer, userRootsDer } = trustBundle
  const clusterName = grantedClusterName(trustBundle, from)
  if (clusterName !== (request.clusterName ?? clusterName)) throw new GrantError(from, 'for another cluster')
  const certified = {
    chainDer,
    // A renewal may be the first to bring a new root.
    rootsDer: AUTHORITY_OF[kind] === 'host' ? [...dersFromPem(trustedRootsPem), ...hostRootsDer] : userRootsDer,
    spiffeId: formatSpiffeId({ clusterName, kind, name }),
    publicKeyDer: publicKeyDer(privateKeyFromPem(keyPem)),
  }
  // The server has just signed it. A clock here that says it has expired, or is not valid yet, proves nothing.
  const identity = certifiedIdentity({ ...certified, at: 'end' })
  if (identity === undefined) throw new GrantError(from, 'with a certificate that is not ours')
  return {
    trustBundle,
    chainPem: chainPem(chainDer),
    bundlePem: chainPem(hostRootsDer),
    life: lifeBetween(identity),
    authorityNumber: certificate?.authorityNumber ?? 1,
  }
}

/** The certificate and the trust bundle of a reply that must carry both. @throws GrantError */
export function issuedCertificate(
  { certificate, trustBundle }: Grant,
  from: ServiceName,
): { certificate: IssuedCertificate; trustBundle: ca.TrustBundle } {
  const expiresAt = certificate?.expiresAt
  if (certificate === undefined || expiresAt === undefined) throw new GrantError(from, 'without a certificate')
  if (trustBundle === undefined) throw new GrantError(from, 'without a trust bundle')
  return { certificate: { ...certificate, expiresAt }, trustBundle }
}

/** The cluster's name in a bundle. Names become parts of paths, so it is checked. @throws GrantError */
export function grantedClusterName(trustBundle: ca.TrustBundle | undefined, from: ServiceName): string {
  try {
    return parseClusterName(trustBundle?.clusterName ?? '')
  } catch (error) {
    throw new GrantError(from, 'with an invalid cluster name', { cause: error })
  }
}
