import { generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { createCsr, parseCsr } from './csr.ts'
import { generateKey, privateKeyPem, publicKeyDer } from '../keys.ts'
import {
  expectRefusal,
  mutate,
  openssl,
  refusal,
  seededRandom,
  testWithOpenssl,
} from '../../test/support/certificates.ts'

function opensslCsr(privateKey: KeyObject, ...options: string[]): Buffer {
  const args = ['req', '-new', '-key', 'key.pem', '-subj', '/CN=evil', '-outform', 'DER', ...options]
  return openssl(args, { 'key.pem': privateKeyPem(privateKey) })
}

function replaceOnce(der: Buffer, part: Buffer, replacement: Buffer): Buffer {
  const at = der.indexOf(part)
  expect(at).toBeGreaterThan(0)
  return Buffer.concat([der.subarray(0, at), replacement, der.subarray(at + part.length)])
}

describe.each(['p256', 'ed25519'] as const)('a %s certificate request', (algorithm) => {
  const privateKey = generateKey(algorithm)
  const csrDer = createCsr({ privateKey, commonName: 'web-01' })

  test('a certificate request gives the public key that signed it', () => {
    expect(parseCsr(csrDer)).toEqual({ publicKeyDer: publicKeyDer(privateKey) })
  })

  testWithOpenssl('a certificate request is read and verified by OpenSSL', () => {
    openssl(['req', '-inform', 'DER', '-in', 'csr.der', '-verify', '-noout'], { 'csr.der': csrDer })
    const text = openssl(['req', '-inform', 'DER', '-in', 'csr.der', '-noout', '-text'], {
      'csr.der': csrDer,
    }).toString()
    expect(text).toContain('Version: 1 (0x0)')
    expect(text).toMatch(/Subject: CN ?= ?web-01\n/)
  })

  testWithOpenssl('a certificate request that asks for more than its key gets only its key', () => {
    const names = 'URI:spiffe://muster.internal/user/root,URI:spiffe://muster.internal/service/ca,DNS:ca'
    const wishes = [`subjectAltName=${names}`, 'basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign']
    const greedy = opensslCsr(privateKey, ...wishes.flatMap((wish) => ['-addext', wish]))
    expect(parseCsr(greedy)).toEqual({ publicKeyDer: publicKeyDer(privateKey) })
  })

  test('a certificate request with another key put in its place is refused: the verified key is the one used', () => {
    const forged = replaceOnce(csrDer, publicKeyDer(privateKey), publicKeyDer(generateKey(algorithm)))
    expectRefusal(() => parseCsr(forged), 'CSR_BAD_SIGNATURE')
  })

  test('a certificate request with a changed subject is refused', () => {
    expectRefusal(
      () => parseCsr(replaceOnce(csrDer, Buffer.from('web-01'), Buffer.from('web-02'))),
      'CSR_BAD_SIGNATURE',
    )
  })

  test('a certificate request with trailing bytes, inside or outside, is malformed', () => {
    expectRefusal(() => parseCsr(Buffer.concat([csrDer, Buffer.of(0)])), 'CSR_MALFORMED')
    expectRefusal(() => parseCsr(Buffer.concat([csrDer, csrDer])), 'CSR_MALFORMED')
    const extended = Buffer.concat([csrDer, Buffer.of(5, 0)])
    expectRefusal(() => parseCsr(withContent(extended)), 'CSR_MALFORMED')
  })

  test('a certificate request in BER, of indefinite or padded length, is malformed', () => {
    const { content } = outer(csrDer)
    const indefinite = Buffer.concat([Buffer.of(0x30, 0x80), content, Buffer.of(0, 0)])
    expectRefusal(() => parseCsr(indefinite), 'CSR_MALFORMED')
    const padded = Buffer.concat([Buffer.of(0x30, 0x83, 0, content.length >> 8, content.length & 0xff), content])
    expectRefusal(() => parseCsr(padded), 'CSR_MALFORMED')
  })

  test('a certificate request cut anywhere is malformed', () => {
    for (let length = 0; length < csrDer.length; length++) {
      expectRefusal(() => parseCsr(csrDer.subarray(0, length)), 'CSR_MALFORMED')
    }
  })

  test('a certificate request with any one bit flipped is refused', () => {
    for (let bit = 0; bit < csrDer.length * 8; bit++) {
      const flipped = Buffer.from(csrDer)
      flipped[bit >> 3] = flipped[bit >> 3]! ^ (1 << (bit & 7))
      expect({ bit, reason: refusal(() => parseCsr(flipped)) }).not.toEqual({ bit, reason: 'none' })
    }
  })

  test('a certificate request damaged at random is refused with a reason and never with another exception', () => {
    for (let seed = 1; seed <= 500; seed++) {
      const random = seededRandom(seed)
      let injured = csrDer
      for (let injuries = 1 + random(3); injuries > 0 && injured.length > 0; injuries--)
        injured = mutate(injured, random)
      if (injured.equals(csrDer)) continue
      expect({ seed, reason: refusal(() => parseCsr(injured)) }).not.toEqual({ seed, reason: 'none' })
    }
  })
})

describe('certificate requests with keys and forms that are not allowed', () => {
  testWithOpenssl.each([
    ['RSA 2048', () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey],
    ['P-384', () => generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey],
    ['P-521', () => generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey],
    ['Ed448', () => generateKeyPairSync('ed448').privateKey],
  ])('a request with a key of kind %s is refused for its key', (_kind, generate) => {
    const privateKey = generate()
    expectRefusal(() => parseCsr(opensslCsr(privateKey)), 'KEY_NOT_ALLOWED')
    expectRefusal(() => createCsr({ privateKey, commonName: 'web-01' }), 'KEY_NOT_ALLOWED')
  })

  testWithOpenssl.each(['-sha384', '-sha512'])(
    'a P-256 request signed with %s is refused for its signature',
    (digest) => {
      expectRefusal(() => parseCsr(opensslCsr(generateKey(), digest)), 'CSR_BAD_SIGNATURE')
    },
  )

  test('an oversize request is malformed before anything in it is read', () => {
    expectRefusal(() => parseCsr(Buffer.alloc(8193, 0x30)), 'CSR_MALFORMED')
    expectRefusal(() => parseCsr(Buffer.alloc(5_000_000)), 'CSR_MALFORMED')
  })

  test.each([
    ['nested indefinite lengths', Buffer.from('3080'.repeat(4096), 'hex')],
    ['nested sequences', nested(2000)],
    ['thousands of members', withContent(Buffer.concat([Buffer.of(0x30, 0), Buffer.from('0500'.repeat(4000), 'hex')]))],
    ['an odd BMPString that the decoder reads past', Buffer.from('30073003 1e0141 0500'.replace(/ /g, ''), 'hex')],
    ['a length of four gigabytes', Buffer.from('3084ffffffff0101', 'hex')],
    ['a length of 127 octets', Buffer.concat([Buffer.of(0x30, 0xff), Buffer.alloc(200, 0xff)])],
    ['high tag numbers', Buffer.from('1f818181818101', 'hex')],
    ['nothing', Buffer.alloc(0)],
    ['an empty sequence', Buffer.of(0x30, 0)],
    ['zeros', Buffer.alloc(64)],
    ['PEM', Buffer.from('-----BEGIN CERTIFICATE REQUEST-----\n')],
  ])('junk of %s is malformed', (_what, junk) => {
    expectRefusal(() => parseCsr(junk), 'CSR_MALFORMED')
  })

  test.each(['', 'x'.repeat(65), 'a\nb', 'a\0b', '\u202e'])(
    'a request is not created for the common name %j',
    (commonName) => {
      expect(() => createCsr({ privateKey: generateKey(), commonName })).toThrow(RangeError)
    },
  )
})

function outer(der: Buffer): { content: Buffer } {
  const lengthOctets = der[1]! < 0x80 ? 0 : der[1]! & 0x7f
  return { content: der.subarray(2 + lengthOctets) }
}

/** Takes the outer header off and puts one of the right length on. */
function withContent(der: Buffer): Buffer {
  const { content } = outer(der)
  return Buffer.concat([header(content.length), content])
}

function nested(depth: number): Buffer {
  let der = Buffer.of(0x30, 0)
  for (let level = 1; level < depth; level++) der = Buffer.concat([header(der.length), der])
  return der
}

function header(length: number): Buffer {
  if (length < 0x80) return Buffer.of(0x30, length)
  return length < 0x100 ? Buffer.of(0x30, 0x81, length) : Buffer.of(0x30, 0x82, length >> 8, length & 0xff)
}
