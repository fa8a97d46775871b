import { X509Certificate } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { content, reading, tags } from '../asn1/asn1.ts'
import type { Asn1Node } from '../asn1/asn1.ts'
import { authorityKeyIdentifier } from '../asn1/extensions.ts'
import { oids } from '../asn1/oids.ts'
import { extensionValue, readCertificate } from '../verifying/certificate-parts.ts'

/** A CA certificate and its key. Keep one object per CA: parsed facts are cached by object. */
export interface Issuer {
  readonly certificateDer: Buffer
  readonly privateKey: KeyObject
}

/** The parts that all certificates of one issuer share. */
export interface IssuerFacts {
  /** The issuer's subject, octet for octet as in its certificate. */
  name: Asn1Node
  authorityKeyIdentifier: Asn1Node
  notAfter: Date
}

const known = new WeakMap<Issuer, IssuerFacts>()

/** Reads the parts that all certificates of an issuer share. Throws RangeError unless it is a P-256 CA with its own key. */
export function issuerFacts(issuer: Issuer): IssuerFacts {
  let facts = known.get(issuer)
  if (facts === undefined) {
    facts = readFacts(issuer)
    known.set(issuer, facts)
  }
  return facts
}

function readFacts({ certificateDer, privateKey }: Issuer): IssuerFacts {
  const parts = readCertificate(certificateDer)
  const certificate = new X509Certificate(certificateDer)
  if (!certificate.ca || !certificate.checkPrivateKey(privateKey)) {
    throw new RangeError('issuer: a CA certificate and its own key are needed')
  }
  if (privateKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw new RangeError('issuer: a P-256 key is needed')
  const identifier = reading('CERTIFICATE_MALFORMED', 'issuer', () =>
    content(extensionValue(parts, oids.subjectKeyIdentifier), tags.octetString, 'subject key identifier'),
  )
  return {
    name: parts.subject,
    authorityKeyIdentifier: authorityKeyIdentifier(Buffer.from(identifier, 'latin1')),
    notAfter: parts.notAfter,
  }
}
