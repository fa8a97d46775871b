import type { ca } from '@muster/contracts'
import type { IssuedCertificate } from '@muster/identity'

/** What a grant says of trust; it is stored with the certificate. */
export interface GrantedTrust {
  /** Which authority of its type signed the certificate: 1 for the first. */
  authorityNumber: number
  /** The version of the trust bundle that came with it. */
  trustVersion: number
}

/** A certificate that was issued, as stored. */
export interface GrantedCertificate extends GrantedTrust {
  serial: string
  expiresAt: Date
}

/** What is stored of a grant of ca-service. One of an earlier version does not tell the number: it has only the first authority. */
export function grantedCertificate({ certificate, trustBundle }: Issued): GrantedCertificate {
  const { serial, expiresAt, authorityNumber = 1 } = certificate
  return { serial, expiresAt, authorityNumber, trustVersion: trustBundle.version }
}

interface Issued {
  certificate: IssuedCertificate
  trustBundle: ca.TrustBundle
}
