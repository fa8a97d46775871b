import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { decode, reading } from './asn1/asn1.ts'
import { assertEd25519Point } from './ed25519-point.ts'
import { PkiError } from './errors.ts'

/** The key algorithms that members may use. */
export type KeyAlgorithm = 'p256' | 'ed25519'

// A SubjectPublicKeyInfo of an allowed key has exactly one DER form up to the key itself, so the bytes are compared and
// not interpreted: named curve, uncompressed point (RFC 5480 §2), no parameters for Ed25519 (RFC 8410 §4).
const ED25519_FORM = { prefix: Buffer.from('302a300506032b6570032100', 'hex'), length: 44 }
const allowedForms = [
  { prefix: Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex'), length: 91 },
  ED25519_FORM,
]

/** Creates a private key, P-256 by default. */
export function generateKey(algorithm: KeyAlgorithm = 'p256'): KeyObject {
  return algorithm === 'p256'
    ? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    : generateKeyPairSync('ed25519').privateKey
}

/** The DER SubjectPublicKeyInfo of a public key, or of a private key's public half. */
export function publicKeyDer(key: KeyObject): Buffer {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key
  return publicKey.export({ type: 'spki', format: 'der' })
}

/** SHA-256 of a DER SubjectPublicKeyInfo: 32 bytes that name a key. */
export function keyFingerprint(spkiDer: Uint8Array): Buffer {
  return createHash('sha256').update(spkiDer).digest()
}

/** PKCS#8 PEM, unencrypted: a secret. Write it to a file of mode 0600, or encrypt it before you store it. */
export function privateKeyPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string
}

/** Reads an unencrypted private key of an allowed kind. Throws PkiError KEY_NOT_ALLOWED, which never repeats the text. */
export function privateKeyFromPem(pem: string): KeyObject {
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch {
    throw new PkiError('KEY_NOT_ALLOWED', 'not an unencrypted private key in PEM')
  }
  assertKeyAllowed(publicKeyDer(key))
  return key
}

/**
 * Reads a DER SubjectPublicKeyInfo if it is a P-256 key with named curve and uncompressed point, or an Ed25519 key.
 * Throws PkiError: KEY_NOT_ALLOWED for every other key and for trailing bytes, before any of it reaches OpenSSL;
 * CSR_MALFORMED for bytes that are not DER, and for a point that is not on the curve.
 */
export function assertKeyAllowed(spkiDer: Uint8Array): KeyObject {
  assertKeyForm(spkiDer)
  try {
    return createPublicKey({ key: Buffer.from(spkiDer), format: 'der', type: 'spki' })
  } catch (cause) {
    throw new PkiError('CSR_MALFORMED', 'public key: not a valid point', { cause })
  }
}

/**
 * Checks the form of a key only, without the 110 µs that OpenSSL needs to check that the point is on the curve. For keys
 * whose signature a trusted service has verified. Throws PkiError KEY_NOT_ALLOWED or CSR_MALFORMED.
 */
export function assertKeyForm(spkiDer: Uint8Array): void {
  const der = Buffer.from(spkiDer)
  const form = allowedForms.find(({ prefix }) => der.subarray(0, prefix.length).equals(prefix))
  if (form === undefined) {
    reading('CSR_MALFORMED', 'public key', () => decode(der))
    throw new PkiError('KEY_NOT_ALLOWED', 'public key: P-256 (uncompressed, named curve) or Ed25519 is needed')
  }
  if (der.length > form.length) throw new PkiError('KEY_NOT_ALLOWED', 'public key: trailing bytes')
  if (der.length < form.length) throw new PkiError('CSR_MALFORMED', 'public key: cut short')
  if (form === ED25519_FORM) assertEd25519Point(der.subarray(form.prefix.length))
}
