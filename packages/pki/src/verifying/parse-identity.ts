import { X509Certificate } from 'node:crypto'
import { type AuthorityType, isDnsName } from '@muster/domain'
import { content, hasTag, malformed, members, reading, tags } from '../asn1/asn1.ts'
import { keyFingerprint } from '../keys.ts'
import { isSpiffeId, nameValues } from '../asn1/names.ts'
import { oids } from '../asn1/oids.ts'
import { extensionValue, readCertificate } from './certificate-parts.ts'
import type { CertificateParts } from './certificate-parts.ts'

const dnsNameTag = 0x82
const uriTag = 0x86

/** The holder of a leaf certificate, as the certificate names it. */
export interface Identity {
  spiffeId: string
  /** Lower-case hex, as from `serialHex`. */
  serial: string
  commonName: string
  /** The subject's organizations. */
  roles: string[]
  /** The issuer's OU, if it is `host` or `user`. Not a proof on its own. */
  issuerType: AuthorityType | undefined
  notBefore: Date
  notAfter: Date
  /** DER SubjectPublicKeyInfo. */
  publicKeyDer: Buffer
  dnsNames: string[]
}

/**
 * Reads the identity from a leaf certificate that TLS or `verifyChain` has verified; it verifies nothing itself. Strict:
 * exactly one URI name, which is a SPIFFE id, exactly one common name, not a CA. Anything else throws PkiError
 * CERTIFICATE_MALFORMED. Takes about 25 µs, so once per call or stream is fine.
 */
export function parseIdentity(certificate: X509Certificate | Uint8Array): Identity {
  const parts = readCertificate(certificate instanceof X509Certificate ? certificate.raw : certificate)
  return reading('CERTIFICATE_MALFORMED', 'identity', () => {
    const [commonName, ...otherCommonNames] = nameValues(parts.subject, oids.commonName)
    if (commonName === undefined || otherCommonNames.length > 0) malformed('one common name expected')
    refuseCa(parts)
    return {
      ...alternativeNames(parts),
      serial: parts.serial,
      commonName,
      roles: nameValues(parts.subject, oids.organization),
      issuerType: authorityType(nameValues(parts.issuer, oids.organizationalUnit)),
      notBefore: parts.notBefore,
      notAfter: parts.notAfter,
      publicKeyDer: parts.spkiDer,
    }
  })
}

/** The CA pin: `sha256:` and the hex SHA-256 of the DER SubjectPublicKeyInfo. Throws PkiError CERTIFICATE_MALFORMED. */
export function spkiPin(certificateDer: Uint8Array): string {
  return `sha256:${keyFingerprint(readCertificate(certificateDer).spkiDer).toString('hex')}`
}

function alternativeNames(parts: CertificateParts): { spiffeId: string; dnsNames: string[] } {
  const names = extensionValue(parts, oids.subjectAltName)
  const uris: string[] = []
  const dnsNames: string[] = []
  for (const name of members(names, tags.sequence, 'alternative names')) {
    if (hasTag(name, uriTag)) uris.push(content(name, uriTag, 'URI'))
    else if (hasTag(name, dnsNameTag)) dnsNames.push(content(name, dnsNameTag, 'DNS name'))
  }
  const [spiffeId, ...otherUris] = uris
  if (spiffeId === undefined || otherUris.length > 0 || !isSpiffeId(spiffeId))
    malformed('one URI name, a SPIFFE id, expected')
  if (!dnsNames.every(isDnsName)) malformed('DNS names of letters, digits and hyphens expected')
  return { spiffeId, dnsNames }
}

function refuseCa(parts: CertificateParts): void {
  const constraints = extensionValue(parts, oids.basicConstraints)
  if (constraints !== undefined && members(constraints, tags.sequence, 'basic constraints').length > 0) {
    malformed('a certificate that is no CA expected')
  }
}

function authorityType([unit, ...others]: string[]): AuthorityType | undefined {
  return others.length === 0 && (unit === 'host' || unit === 'user') ? unit : undefined
}
