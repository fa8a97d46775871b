import { sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import {
  bitString,
  bitStringOctets,
  content,
  decode,
  encode,
  malformed,
  members,
  node,
  reading,
  sequence,
  tags,
} from '../asn1/asn1.ts'
import type { Asn1Node } from '../asn1/asn1.ts'
import { PkiError } from '../errors.ts'
import { assertKeyAllowed, publicKeyDer } from '../keys.ts'
import { buildName } from '../asn1/names.ts'
import { oids } from '../asn1/oids.ts'

const attributesTag = 0xa0

/** The input of a certificate request. */
export interface CsrRequest {
  privateKey: KeyObject
  /** For people who read the request. The CA does not use it. */
  commonName: string
}

/**
 * A DER PKCS#10 request (RFC 2986) that proves possession of the key. Throws PkiError KEY_NOT_ALLOWED for a key that is
 * neither P-256 nor Ed25519, RangeError for a common name that is empty, over 64 characters or has invisible ones.
 */
export function createCsr({ privateKey, commonName }: CsrRequest): Buffer {
  const spkiDer = publicKeyDer(privateKey)
  const key = assertKeyAllowed(spkiDer)
  const info = sequence(node(tags.integer, '\x00'), buildName({ commonName }), decode(spkiDer), node(attributesTag, []))
  const signature = sign(digestFor(key), encode(info), privateKey)
  return encode(sequence(info, algorithmFor(key), bitString(signature)))
}

/**
 * Checks a DER PKCS#10 request and returns its public key. Nothing else in it is used: the CA composes the subject and
 * the extensions. The signature is verified over the bytes as received, and the key is read from the same bytes.
 *
 * Throws PkiError: CSR_MALFORMED (over 8 KiB, not strict DER, not a request), KEY_NOT_ALLOWED (before any signature is
 * computed), CSR_BAD_SIGNATURE (not ecdsa-with-SHA256 or Ed25519 as the key demands, or made with another key).
 */
export function parseCsr(der: Uint8Array): { publicKeyDer: Buffer } {
  const { infoDer, spkiDer, algorithm, signature } = reading('CSR_MALFORMED', 'certificate request', () => split(der))
  const key = assertKeyAllowed(spkiDer)
  if (!encode(algorithmFor(key)).equals(algorithm)) {
    throw new PkiError(
      'CSR_BAD_SIGNATURE',
      'certificate request: ecdsa-with-SHA256 or Ed25519, to match the key, is needed',
    )
  }
  if (!isSignedBy(key, infoDer, signature)) {
    throw new PkiError('CSR_BAD_SIGNATURE', 'certificate request: the signature is not by its own key')
  }
  return { publicKeyDer: spkiDer }
}

function split(der: Uint8Array) {
  const [info, algorithm, signature, ...rest] = members(decode(der), tags.sequence, 'request')
  if (info === undefined || algorithm === undefined || rest.length > 0) malformed('three parts expected')
  const [version, subject, spki, attributes, ...more] = members(info, tags.sequence, 'request info')
  if (spki === undefined || more.length > 0) malformed('four parts of request info expected')
  if (content(version, tags.integer, 'version') !== '\x00') malformed('version 1 expected')
  members(subject, tags.sequence, 'subject')
  members(spki, tags.sequence, 'public key')
  members(attributes, attributesTag, 'attributes')
  return {
    infoDer: encode(info),
    spkiDer: encode(spki),
    algorithm: encode(algorithm),
    signature: bitStringOctets(signature, 'signature'),
  }
}

function isSignedBy(key: KeyObject, data: Buffer, signature: Buffer): boolean {
  try {
    return verify(digestFor(key), data, key, signature)
  } catch {
    return false
  }
}

function digestFor(key: KeyObject): 'sha256' | null {
  return key.asymmetricKeyType === 'ed25519' ? null : 'sha256'
}

function algorithmFor(key: KeyObject): Asn1Node {
  return sequence(key.asymmetricKeyType === 'ed25519' ? oids.ed25519 : oids.ecdsaWithSha256)
}
