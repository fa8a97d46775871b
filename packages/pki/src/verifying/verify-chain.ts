import { X509Certificate } from 'node:crypto'

/** The certificates of a chain, all DER, and the time to check it at. */
export interface ChainRequest {
  leafDer: Uint8Array
  intermediatesDer: readonly Uint8Array[]
  rootsDer: readonly Uint8Array[]
  now?: Date
}

/**
 * Whether a leaf is signed by one of the roots, directly or through one of the intermediates, with every certificate on
 * the way a CA (the leaf not), in date and the named issuer of the next. One intermediate at most, as a root's pathLen
 * 1 allows. For holders of DER outside TLS; says nothing about who the leaf is (`parseIdentity`) or what it may do.
 * False, never an exception, for bytes that are no certificates.
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
  // OpenSSL also reads PEM, BER and DER with something behind it.
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
