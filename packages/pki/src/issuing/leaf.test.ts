import { X509Certificate, generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { parseIdentity } from '../verifying/parse-identity.ts'
import { generateKey, publicKeyDer } from '../keys.ts'
import type { KeyAlgorithm } from '../keys.ts'
import { issueLeaf } from './leaf.ts'
import { chainPem, pemFromDer } from '../pem.ts'
import { newSerial, serialHex } from './serial.ts'
import {
  after,
  dayMs,
  expectRefusal,
  leafRequest,
  now,
  openssl,
  testAuthority,
  testWithOpenssl,
} from '../../test/support/certificates.ts'

const host = testAuthority('host')
const user = testAuthority('user')
const shapes = {
  node: {
    authority: host,
    spiffeId: 'spiffe://muster.internal/node/0b7a7c3e',
    roles: ['node', 'proxy'],
    dnsNames: ['web-01'],
  },
  service: {
    authority: host,
    spiffeId: 'spiffe://muster.internal/service/ca',
    roles: ['auth'],
    dnsNames: ['localhost'],
  },
  user: { authority: user, spiffeId: 'spiffe://muster.internal/user/alice', roles: ['admin'], dnsNames: [] },
}

describe('leaf certificates', () => {
  describe.each(Object.entries(shapes))('leaves of a %s', (_shape, { authority, ...names }) => {
    testWithOpenssl.each(
      (['p256', 'ed25519'] as const).flatMap((key) =>
        (['sslclient', 'sslserver'] as const).map((purpose) => ({ key, purpose })),
      ),
    )('a leaf with a $key key is verified strictly by OpenSSL for $purpose', ({ key, purpose }) => {
      verifyStrictly(authority, key, purpose, names)
    })
  })

  testWithOpenssl('a leaf of another root is not verified by OpenSSL', () => {
    expect(() => verifyStrictly({ ...user, root: host.root }, 'p256', 'sslclient', {})).toThrow()
  })

  testWithOpenssl('a leaf has the profile of a member', () => {
    const serial = newSerial()
    const leafDer = issueLeaf(leafRequest(host.issuing, { serial, roles: ['proxy', 'node', 'proxy'] }))
    const text = openssl(['x509', '-in', 'c.pem', '-noout', '-text'], { 'c.pem': pemFromDer(leafDer) }).toString()
    expect(text).toContain('Version: 3 (0x2)')
    expect(text.replace(/[:\s]/g, '')).toContain(`SerialNumber${serialHex(serial)}`)
    expect(text.match(/Signature Algorithm: ecdsa-with-SHA256/g)).toHaveLength(2)
    expect(text).toMatch(/Subject: O ?= ?node, O ?= ?proxy, CN ?= ?web-01\n/)
    expect(text).toMatch(/Basic Constraints: critical\s+CA:FALSE\n/)
    expect(text).toMatch(/Key Usage: critical\s+Digital Signature\n/)
    expect(text).toMatch(/Extended Key Usage: *\n\s+TLS Web Server Authentication, TLS Web Client Authentication\n/)
    expect(text).toMatch(/Subject Alternative Name: *\n\s+URI:spiffe:\S+, DNS:web-01, DNS:web-01\.muster\.internal\n/)
    expect(text).toMatch(/Authority Key Identifier: *\n\s+(keyid:)?[0-9A-F:]{59}\n\s+X509v3/)
    expect(text).toContain('Subject Key Identifier')
    const asn1 = openssl(['asn1parse', '-inform', 'DER', '-in', 'c.der'], { 'c.der': leafDer }).toString()
    expect(asn1).toMatch(/UTCTIME +:260601115900Z\n.*UTCTIME +:260602120000Z\n/)
  })

  test('a leaf that would outlive its issuer is refused, not clipped', () => {
    const notAfter = new Date(new X509Certificate(host.issuing.certificateDer).validTo)
    expect(() => issueLeaf(leafRequest(host.issuing, { notAfter: new Date(notAfter.getTime() + 1000) }))).toThrow(
      RangeError,
    )
    expect(parseIdentity(issueLeaf(leafRequest(host.issuing, { notAfter }))).notAfter).toEqual(notAfter)
  })

  test('a leaf that ends before it begins is refused', () => {
    expect(() => issueLeaf(leafRequest(host.issuing, { notBefore: now, notAfter: now }))).toThrow(RangeError)
    expect(() => issueLeaf(leafRequest(host.issuing, { notBefore: after(dayMs), notAfter: now }))).toThrow(RangeError)
  })

  test('a certificate that is not a CA issues nothing', () => {
    const privateKey = generateKey()
    const certificateDer = issueLeaf(leafRequest(host.issuing, { publicKeyDer: publicKeyDer(privateKey) }))
    expect(() => issueLeaf(leafRequest({ certificateDer, privateKey }))).toThrow(RangeError)
  })

  test('a key that is not allowed gets no certificate', () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    expectRefusal(
      () => issueLeaf(leafRequest(host.issuing, { publicKeyDer: publicKeyDer(publicKey) })),
      'KEY_NOT_ALLOWED',
    )
  })

  test.each([Buffer.alloc(0), Buffer.alloc(16), Buffer.alloc(16, 0x80), Buffer.alloc(21, 1), Buffer.alloc(8, 1)])(
    'the serial %j is refused',
    (serial) => {
      expect(() => issueLeaf(leafRequest(host.issuing, { serial }))).toThrow(RangeError)
    },
  )

  test.each([
    'http://muster.internal/node/a',
    'spiffe://muster.internal',
    'spiffe://muster.internal/',
    'spiffe://muster.internal/node/',
    'spiffe://muster.internal//node',
    'spiffe://muster.internal/node/../service/ca',
    'spiffe://muster.internal/node/.',
    'spiffe://Muster.internal/node/a',
    'spiffe://muster.internal:1/node/a',
    'spiffe://muster.internal/node/a?b',
    'spiffe://muster.internal/node/a%2fb',
    'spiffe://muster.internal/node/a\n',
    'spiffe://muster.internal/node/a\0',
    'spiffe://muster.internal/node/аdmin',
    `spiffe://muster.internal/${'a'.repeat(2048)}`,
  ])('a name is never interpolated unchecked: the SPIFFE id %j is refused', (spiffeId) => {
    expect(() => issueLeaf(leafRequest(host.issuing, { spiffeId }))).toThrow(RangeError)
  })

  test.each([
    '',
    '*.muster.internal',
    'a..b',
    '.a',
    'a.',
    '-a',
    'a-',
    'a_b',
    'a b',
    'a\0.b',
    'a\n',
    '../etc',
    'a,URI:spiffe://muster.internal/user/root',
    'wеb-01',
    `${'a'.repeat(64)}.b`,
    'a.'.repeat(127) + 'b',
  ])('a name is never interpolated unchecked: the DNS name %j is refused', (dnsName) => {
    expect(() => issueLeaf(leafRequest(host.issuing, { dnsNames: [dnsName] }))).toThrow(RangeError)
  })

  test.each(['', 'x'.repeat(65), 'a\nO=admin', 'a\0b', 'a\u202eb', 'a\u200bb', '\ud800'])(
    'a name is never interpolated unchecked: the common name %j is refused',
    (commonName) => {
      expect(() => issueLeaf(leafRequest(host.issuing, { commonName }))).toThrow(RangeError)
    },
  )

  test.each(['', 'Admin', 'a b', 'a\n', 'node,CN=x', 'x'.repeat(65)])('the role %j is refused', (role) => {
    expect(() => issueLeaf(leafRequest(host.issuing, { roles: ['node', role] }))).toThrow(RangeError)
  })

  test('DNS names are lower-cased, kept once, and at most sixteen', () => {
    const leafDer = issueLeaf(leafRequest(host.issuing, { dnsNames: ['Web-01', 'web-01', 'a.b', 'WEB-01'] }))
    expect(parseIdentity(leafDer).dnsNames).toEqual(['web-01', 'a.b'])
    const names = Array.from({ length: 17 }, (_, index) => `n${index}`)
    expect(() => issueLeaf(leafRequest(host.issuing, { dnsNames: names }))).toThrow(RangeError)
    expect(parseIdentity(issueLeaf(leafRequest(host.issuing, { dnsNames: names.slice(1) }))).dnsNames).toHaveLength(16)
  })

  test('serials are positive, sixteen octets, and do not repeat', () => {
    const serials = new Set(Array.from({ length: 2000 }, () => serialHex(newSerial())))
    expect(serials.size).toBe(2000)
    for (const serial of serials) expect(serial).toMatch(/^(?!00)[0-7][0-9a-f]{31}$/)
  })
})

function verifyStrictly(authority: typeof host, key: KeyAlgorithm, purpose: string, names: object): void {
  const leafDer = issueLeaf(leafRequest(authority.issuing, { ...names, publicKeyDer: publicKeyDer(generateKey(key)) }))
  const files = {
    'root.pem': chainPem([authority.root.certificateDer]),
    'issuing.pem': chainPem([authority.issuing.certificateDer]),
    'leaf.pem': chainPem([leafDer]),
  }
  const args = ['verify', '-x509_strict', '-purpose', purpose, '-attime', String(now.getTime() / 1000)]
  openssl([...args, '-CAfile', 'root.pem', '-untrusted', 'issuing.pem', 'leaf.pem'], files)
}
