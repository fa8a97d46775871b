import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import {
  assertKeyAllowed,
  generateKey,
  keyFingerprint,
  privateKeyFromPem,
  privateKeyPem,
  publicKeyDer,
} from './keys.ts'
import { expectRefusal } from '../test/support/certificates.ts'

function spkiOf(pair: { publicKey: { export(options: { type: 'spki'; format: 'der' }): Buffer } }): Buffer {
  return pair.publicKey.export({ type: 'spki', format: 'der' })
}

describe('keys', () => {
  test.each(['p256', 'ed25519'] as const)('a %s key is allowed and comes back from PEM unchanged', (algorithm) => {
    const key = generateKey(algorithm)
    const spkiDer = publicKeyDer(key)
    expect(publicKeyDer(assertKeyAllowed(spkiDer))).toEqual(spkiDer)
    expect(publicKeyDer(privateKeyFromPem(privateKeyPem(key)))).toEqual(spkiDer)
    expect(privateKeyPem(key)).toMatch(/^-----BEGIN PRIVATE KEY-----\n/)
  })

  test('two keys have two fingerprints of 32 bytes', () => {
    const [one, other] = [generateKey(), generateKey()].map((key) => keyFingerprint(publicKeyDer(key)))
    expect(one).toHaveLength(32)
    expect(one).not.toEqual(other)
  })

  test.each([
    ['RSA 2048', () => generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['P-384', () => generateKeyPairSync('ec', { namedCurve: 'P-384' })],
    ['P-521', () => generateKeyPairSync('ec', { namedCurve: 'P-521' })],
    ['secp256k1', () => generateKeyPairSync('ec', { namedCurve: 'secp256k1' })],
    ['Ed448', () => generateKeyPairSync('ed448')],
    ['X25519', () => generateKeyPairSync('x25519')],
    [
      'P-256 with explicit parameters',
      () => generateKeyPairSync('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' }),
    ],
  ])('a key of kind %s is not allowed', (_kind, generate) => {
    const pair = generate()
    expectRefusal(() => assertKeyAllowed(spkiOf(pair)), 'KEY_NOT_ALLOWED')
    expectRefusal(() => privateKeyFromPem(privateKeyPem(pair.privateKey)), 'KEY_NOT_ALLOWED')
  })

  test('a compressed P-256 point is not allowed, since a key has one form and one fingerprint', () => {
    const spkiDer = publicKeyDer(generateKey())
    const compressed = Buffer.concat([
      Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex'),
      Buffer.of(2 + (spkiDer.at(-1)! & 1)),
      spkiDer.subarray(27, 59),
    ])
    expectRefusal(() => assertKeyAllowed(compressed), 'KEY_NOT_ALLOWED')
  })

  test.each(['p256', 'ed25519'] as const)('a %s key with a trailing byte is not allowed', (algorithm) => {
    const spkiDer = publicKeyDer(generateKey(algorithm))
    expectRefusal(() => assertKeyAllowed(Buffer.concat([spkiDer, Buffer.of(0)])), 'KEY_NOT_ALLOWED')
  })

  test('a P-256 point that is not on the curve is malformed', () => {
    const spkiDer = publicKeyDer(generateKey())
    spkiDer[90] = spkiDer[90]! ^ 1
    expectRefusal(() => assertKeyAllowed(spkiDer), 'CSR_MALFORMED')
    expectRefusal(() => assertKeyAllowed(spkiDer.fill(0xff, 27, 59)), 'CSR_MALFORMED')
    expectRefusal(() => assertKeyAllowed(spkiDer.fill(0, 27)), 'CSR_MALFORMED')
  })

  test.each(['p256', 'ed25519'] as const)('a %s key cut anywhere is malformed', (algorithm) => {
    const spkiDer = publicKeyDer(generateKey(algorithm))
    for (let length = 0; length < spkiDer.length; length++) {
      expectRefusal(() => assertKeyAllowed(spkiDer.subarray(0, length)), 'CSR_MALFORMED')
    }
  })

  test('text that is not a private key is refused without being repeated', () => {
    const canary = 'MIGHAgEAMBMGByqGSM49canary'
    const pem = `-----BEGIN PRIVATE KEY-----\n${canary}\n-----END PRIVATE KEY-----\n`
    expectRefusal(() => privateKeyFromPem(pem), 'KEY_NOT_ALLOWED')
    expect(() => privateKeyFromPem(pem)).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining(canary) }),
    )
  })
})
