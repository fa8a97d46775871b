import { CERTIFICATE_BACKDATE_MS } from '@muster/domain'
import { dersFromPem, parseIdentity } from '@muster/pki'

/** The time a certificate may be used, from its issue on. */
export interface CertificateLife {
  issuedAt: Date
  expiresAt: Date
}

/** The life of a certificate with these dates. It counts from the issue, which is later than the backdated `notBefore`. */
export function lifeBetween({ notBefore, notAfter }: { notBefore: Date; notAfter: Date }): CertificateLife {
  return { issuedAt: new Date(notBefore.getTime() + CERTIFICATE_BACKDATE_MS), expiresAt: notAfter }
}

/** The life of the first certificate in a PEM chain. @throws PkiError CERTIFICATE_MALFORMED */
export function certificateLife(chainPem: string): CertificateLife {
  return lifeBetween(parseIdentity(dersFromPem(chainPem)[0] ?? Buffer.alloc(0)))
}
