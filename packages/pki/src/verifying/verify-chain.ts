import { X509Certificate } from 'node:crypto'

/** The certificates of a chain, all DER, and the time to check it at. */
export interface ChainRequest {
  leafDer: Uint8Array
  intermediatesDer: readonly Uint8Array[]
  rootsDer: readonly Uint8Array[]
  now?: Date
}

/**
 * True if one of the roots signed the leaf, directly or through one of the intermediates. Every certificate of the path
 * must be valid at `now`, a CA (except the leaf) and the named issuer of the next. At most one intermediate, as the
 * pathLen 1 of a root allows. For certificates received outside TLS. It does not read who the leaf is (`parseIdentity`).
 * Returns false, and never throws, for bytes that are not certificates.
 */
export function verifyChain({ leafDer, intermediatesDer, rootsDer, now = new Date() }: ChainRequest): boolean {
  try {
    const leaf = read(leafDer)
    const roots = rootsDer.map(read).filter((root) => isUsableCa(root, now))
    const intermediates = intermediatesDer.map(read).filter((ca) => isUsableCa(ca, now))
    if (leaf.ca || !isInDate(leaf, now)) return false
    const trusted = intermediates.filter((ca) => roots.some((root) => isIssuedBy(ca, root)))
    return [...roots, ...trusted].some((issuer) => isIssuedBy(leaf, issuer))
  } catch {
    return false
  }
}

function read(der: Uint8Array): X509Certificate {
  const certificate = new X509Certificate(der)
  // OpenSSL also accepts PEM, BER, and DER with trailing bytes.
  if (!certificate.raw.equals(der)) throw new RangeError('not one certificate in DER')
  return certificate
}

function isUsableCa(certificate: X509Certificate, now: Date): boolean {
  return certificate.ca && isInDate(certificate, now)
}

function isInDate(certificate: X509Certificate, now: Date): boolean {
  return Date.parse(certificate.validFrom) <= now.getTime() && now.getTime() <= Date.parse(certificate.validTo)
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
}
