import { sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { bitString, decode, encode, node, sequence, tags } from '../asn1/asn1.ts'
import type { Asn1Node } from '../asn1/asn1.ts'
import { oids } from '../asn1/oids.ts'
import { buildTime } from '../asn1/times.ts'

const versionTag = 0xa0
const extensionsTag = 0xa3
const version3 = node(versionTag, [node(tags.integer, '\x02')])
const ecdsaWithSha256 = sequence(oids.ecdsaWithSha256)

/** The fields of a certificate before it is signed. */
export interface CertificateFields {
  serial: Uint8Array
  issuer: Asn1Node
  notBefore: Date
  notAfter: Date
  subject: Asn1Node
  spkiDer: Uint8Array
  extensions: Asn1Node[]
}

/** Composes a version 3 certificate (RFC 5280 §4.1) and signs it with a P-256 key. The callers check the fields. */
export function signCertificate(fields: CertificateFields, issuerKey: KeyObject): Buffer {
  const tbs = sequence(
    version3,
    node(tags.integer, fields.serial),
    ecdsaWithSha256,
    fields.issuer,
    sequence(buildTime(fields.notBefore), buildTime(fields.notAfter)),
    fields.subject,
    decode(fields.spkiDer),
    node(extensionsTag, [sequence(...fields.extensions)]),
  )
  const signature = sign('sha256', encode(tbs), issuerKey)
  return encode(sequence(tbs, ecdsaWithSha256, bitString(signature)))
}
