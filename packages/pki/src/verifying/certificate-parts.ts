import { content, decode, encode, malformed, members, reading, tags } from '../asn1/asn1.ts'
import type { Asn1Node } from '../asn1/asn1.ts'
import { readTime } from '../asn1/times.ts'

const maxCertificateBytes = 16_384
const versionTag = 0xa0
const extensionsTag = 0xa3

/** The parts of a certificate, decoded and not verified. */
export interface CertificateParts {
  /** Lower-case hex without a leading zero octet. */
  serial: string
  issuer: Asn1Node
  notBefore: Date
  notAfter: Date
  subject: Asn1Node
  spkiDer: Buffer
  /** By content octets of the extension's OID; the value is the DER inside the OCTET STRING, as a binary string. */
  extensions: Map<string, string>
}

/**
 * Decodes a version 3 certificate without verifying it. Throws PkiError CERTIFICATE_MALFORMED for over 16 KiB,
 * anything but strict DER, unique identifiers and repeated extensions.
 */
export function readCertificate(der: Uint8Array): CertificateParts {
  return reading('CERTIFICATE_MALFORMED', 'certificate', () => {
    const [tbs, , , ...rest] = members(decode(der, maxCertificateBytes), tags.sequence, 'certificate')
    if (rest.length > 0) malformed('three parts expected')
    const parts = members(tbs, tags.sequence, 'certificate body')
    const [version, serial, , issuer, validity, subject, spki, extensions] = parts
    if (parts.length !== 8 || issuer === undefined || subject === undefined || spki === undefined) {
      malformed('eight parts of certificate body expected')
    }
    if (content(members(version, versionTag, 'version')[0], tags.integer, 'version') !== '\x02')
      malformed('version 3 expected')
    const [notBefore, notAfter] = members(validity, tags.sequence, 'validity')
    return {
      serial: readSerial(content(serial, tags.integer, 'serial')),
      issuer,
      notBefore: readTime(notBefore),
      notAfter: readTime(notAfter),
      subject,
      spkiDer: encode(spki),
      extensions: readExtensions(members(extensions, extensionsTag, 'extensions')[0]),
    }
  })
}

function readSerial(octets: string): string {
  if (octets === '' || octets.charCodeAt(0) > 0x7f) malformed('positive serial expected')
  return Buffer.from(octets.charCodeAt(0) === 0 ? octets.slice(1) : octets, 'latin1').toString('hex')
}

function readExtensions(list: Asn1Node | undefined): Map<string, string> {
  const extensions = new Map<string, string>()
  for (const extension of members(list, tags.sequence, 'extensions')) {
    const parts = members(extension, tags.sequence, 'extension')
    const type = content(parts[0], tags.oid, 'extension type')
    if (parts.length < 2 || parts.length > 3 || extensions.has(type)) malformed('extension expected once')
    if (parts.length === 3) content(parts[1], tags.boolean, 'critical')
    extensions.set(type, content(parts.at(-1), tags.octetString, 'extension value'))
  }
  return extensions
}

/** Decodes an extension's value, or undefined if the certificate has none; to be called inside `reading`. */
export function extensionValue({ extensions }: CertificateParts, type: Asn1Node): Asn1Node | undefined {
  const value = extensions.get(type.value as string)
  return value === undefined ? undefined : decode(Buffer.from(value, 'latin1'), maxCertificateBytes)
}
