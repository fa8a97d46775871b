import { createRequire } from 'node:module'
import type Asn1Module from 'node-forge/lib/asn1.js'
import { PkiError } from '../errors.ts'
import type { PkiReason } from '../errors.ts'

// By require, as in packages/rpc/src/grpc.ts, and for the same reason.
const asn1 = createRequire(import.meta.url)('node-forge/lib/asn1.js') as typeof Asn1Module

/** One ASN.1 value: its identifier octet is `tagClass | type`, plus 0x20 if constructed. */
export interface Asn1Node {
  tagClass: number
  type: number
  constructed: boolean
  composed: boolean
  /** The content octets as a binary string, or the members of a constructed value. */
  value: string | Asn1Node[]
}

/** Identifier octets of the types in use (X.690). */
export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

// A certificate request with extension requests is 8 levels deep, a certificate 7.
const maxDepth = 16

class DerError extends Error {
  override name = 'DerError'
}

/** Builds a node from an identifier octet and either content octets or members. */
export function node(tag: number, value: Uint8Array | string | Asn1Node[]): Asn1Node {
  const content = typeof value === 'string' || Array.isArray(value) ? value : Buffer.from(value).toString('latin1')
  return asn1.create(tag & 0xc0, tag & 0x1f, (tag & 0x20) !== 0, content)
}

/** Builds a SEQUENCE. */
export function sequence(...members: Asn1Node[]): Asn1Node {
  return node(tags.sequence, members)
}

/** Builds an OBJECT IDENTIFIER from its dotted form. */
export function oid(dotted: string): Asn1Node {
  return node(tags.oid, asn1.oidToDer(dotted).getBytes())
}

/** Builds a BIT STRING whose last octet has `unusedBits` bits that do not count. */
export function bitString(octets: Uint8Array, unusedBits = 0): Asn1Node {
  return node(tags.bitString, Buffer.concat([Buffer.of(unusedBits), octets]))
}

/** Encodes a node as DER. */
export function encode(root: Asn1Node): Buffer {
  return Buffer.from(asn1.toDer(root).getBytes(), 'latin1')
}

/**
 * Decodes strict DER of at most `maxBytes` (8 KiB, the cap for requests and keys), to be called inside {@link reading}.
 *
 * node-forge also accepts BER, so the result is encoded again and must equal the input, octet for octet. This rejects
 * indefinite lengths, padded lengths, trailing octets and any ambiguity about where a value ends. It follows that
 * `encode` of any node in the result gives the octets of that node as received.
 */
export function decode(der: Uint8Array, maxBytes = 8192): Asn1Node {
  if (der.length > maxBytes) throw new DerError(`longer than ${maxBytes} bytes`)
  const octets = Buffer.from(der.buffer, der.byteOffset, der.length).toString('latin1')
  let root: Asn1Node
  let encoded: string
  try {
    root = asn1.fromDer(octets, { strict: true, parseAllBytes: true, decodeBitStrings: false, maxDepth })
    encoded = asn1.toDer(root).getBytes()
  } catch (cause) {
    throw new DerError('not ASN.1', { cause })
  }
  if (encoded !== octets) throw new DerError('not DER')
  return root
}

/** Runs a decoding step, and turns its error into a PkiError with this reason. */
export function reading<T>(reason: PkiReason, what: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof DerError) throw new PkiError(reason, `${what}: ${error.message}`, { cause: error })
    throw error
  }
}

/** Fails a decoding step. The message must not repeat the input. */
export function malformed(message: string): never {
  throw new DerError(message)
}

/** Whether a node has this identifier octet. */
export function hasTag(of: Asn1Node, tag: number): boolean {
  return (of.tagClass | of.type | (of.constructed ? 0x20 : 0)) === tag
}

/** The members of a constructed node of this tag; otherwise an error that names `what`. */
export function members(of: Asn1Node | undefined, tag: number, what: string): Asn1Node[] {
  if (of === undefined || !hasTag(of, tag) || typeof of.value === 'string') malformed(`${what} expected`)
  return of.value
}

/** The content octets, as a binary string, of a primitive node of this tag; otherwise an error that names `what`. */
export function content(of: Asn1Node | undefined, tag: number, what: string): string {
  if (of === undefined || !hasTag(of, tag) || typeof of.value !== 'string') malformed(`${what} expected`)
  return of.value
}

/** The octets of a BIT STRING that is a whole number of octets; otherwise an error that names `what`. */
export function bitStringOctets(of: Asn1Node | undefined, what: string): Buffer {
  const octets = content(of, tags.bitString, what)
  if (octets.length < 2 || octets.charCodeAt(0) !== 0) malformed(`${what} expected`)
  return Buffer.from(octets.slice(1), 'latin1')
}
