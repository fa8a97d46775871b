import { createHash } from 'node:crypto'
import { bitString, bitStringOctets, decode, encode, members, node, reading, sequence, tags } from './asn1.ts'
import type { Asn1Node } from './asn1.ts'
import { oids } from './oids.ts'

const dnsNameTag = 0x82
const uriTag = 0x86
const keyIdentifierTag = 0x80
const asn1True = node(tags.boolean, '\xff')

function extension(type: Asn1Node, value: Asn1Node, critical = false): Asn1Node {
  const octets = node(tags.octetString, encode(value))
  return critical ? sequence(type, asn1True, octets) : sequence(type, octets)
}

/** basicConstraints of a CA that may have `pathLength` CAs below it. */
export function caConstraints(pathLength: number): Asn1Node {
  return extension(oids.basicConstraints, sequence(asn1True, node(tags.integer, Buffer.of(pathLength))), true)
}

/** keyCertSign and cRLSign. */
export const caKeyUsage = extension(oids.keyUsage, bitString(Buffer.of(0x06), 1), true)

/** cA=false, which DER encodes by omission. */
export const leafConstraints = extension(oids.basicConstraints, sequence(), true)

/** digitalSignature only: all that TLS 1.3 and an EC key need (RFC 8813 §3, SPIFFE X509-SVID §4.3). */
export const leafKeyUsage = extension(oids.keyUsage, bitString(Buffer.of(0x80), 7), true)

/** Both purposes: every member of a cluster is a client and a server. */
export const leafExtendedKeyUsage = extension(oids.extKeyUsage, sequence(oids.serverAuth, oids.clientAuth))

/** One URI name, then the DNS names. Not critical, because the subject is never empty. */
export function subjectAltName(spiffeId: string, dnsNames: readonly string[]): Asn1Node {
  return extension(
    oids.subjectAltName,
    sequence(node(uriTag, spiffeId), ...dnsNames.map((name) => node(dnsNameTag, name))),
  )
}

/** The key identifier this package gives a public key: leftmost 160 bits of SHA-256 of the key bits (RFC 7093 §2, method 1). */
export function keyIdentifier(spkiDer: Uint8Array): Buffer {
  return reading('CERTIFICATE_MALFORMED', 'public key', () => {
    const [, bits] = members(decode(spkiDer), tags.sequence, 'public key')
    return createHash('sha256').update(bitStringOctets(bits, 'key bits')).digest().subarray(0, 20)
  })
}

/** The subject's own key identifier. */
export function subjectKeyIdentifier(identifier: Uint8Array): Asn1Node {
  return extension(oids.subjectKeyIdentifier, node(tags.octetString, identifier))
}

/** The issuer's key identifier, as its own certificate gives it. */
export function authorityKeyIdentifier(identifier: Uint8Array): Asn1Node {
  return extension(oids.authorityKeyIdentifier, sequence(node(keyIdentifierTag, identifier)))
}
