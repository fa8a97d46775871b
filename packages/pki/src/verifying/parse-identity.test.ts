import { X509Certificate } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import type { Asn1Node } from '../asn1/asn1.ts'
import { leafConstraints, subjectAltName } from '../asn1/extensions.ts'
import { parseIdentity, spkiPin } from './parse-identity.ts'
import { generateKey, privateKeyPem, publicKeyDer } from '../keys.ts'
import { issueLeaf } from '../issuing/leaf.ts'
import { dersFromPem, pemFromDer } from '../pem.ts'
import { newSerial, serialHex } from '../issuing/serial.ts'
import {
  after,
  dayMs,
  expectRefusal,
  leafRequest,
  minuteMs,
  mutate,
  openssl,
  refusal,
  seededRandom,
  testAuthority,
  testWithOpenssl,
  unusualLeaf,
} from '../../test/support/certificates.ts'

const host = testAuthority('host')

describe('the identity in a certificate', () => {
  test.each(['p256', 'ed25519'] as const)(
    'the identity in a certificate is what was issued, from DER and from TLS alike (%s)',
    (algorithm) => {
      const request = leafRequest(host.issuing, {
        publicKeyDer: publicKeyDer(generateKey(algorithm)),
        roles: ['proxy', 'node'],
        serial: newSerial(),
      })
      const leafDer = issueLeaf(request)
      const expected = {
        spiffeId: request.spiffeId,
        serial: serialHex(request.serial),
        commonName: 'web-01',
        roles: ['node', 'proxy'],
        issuerType: 'host',
        notBefore: after(-minuteMs),
        notAfter: after(dayMs),
        publicKeyDer: request.publicKeyDer,
        dnsNames: ['web-01', 'web-01.muster.internal'],
      }
      expect(parseIdentity(leafDer)).toEqual(expected)
      expect(parseIdentity(new X509Certificate(leafDer))).toEqual(expected)
    },
  )

  test('the identity in a certificate distinguishes the user authority from the host authority', () => {
    const leafDer = issueLeaf(leafRequest(testAuthority('user').issuing, { roles: [], dnsNames: [] }))
    expect(parseIdentity(leafDer)).toMatchObject({ issuerType: 'user', roles: [], dnsNames: [] })
  })

  test.each([
    'O=admin',
    'a, CN=root',
    'a+O=admin',
    'a/O=admin',
    '"quoted"',
    'back\\slash',
    '#61',
    'ünï ćøde',
    ' padded ',
  ])('the identity in a certificate has the common name %j unchanged, however it would be printed', (commonName) => {
    const leafDer = issueLeaf(leafRequest(host.issuing, { commonName, roles: [] }))
    expect(parseIdentity(leafDer)).toMatchObject({ commonName, roles: [] })
  })

  test('a serial that begins with a small octet is read in full', () => {
    const serial = Buffer.from('01000000000000000000000000000000', 'hex')
    expect(parseIdentity(issueLeaf(leafRequest(host.issuing, { serial }))).serial).toBe(serialHex(serial))
  })

  test('dates past 2050 are read from a certificate', () => {
    const authority = testAuthority()
    const leafDer = issueLeaf(leafRequest(authority.root, { notAfter: after(3650 * dayMs) }))
    expect(parseIdentity(leafDer).notAfter).toEqual(after(3650 * dayMs))
  })

  testWithOpenssl.each([
    ['no alternative names', []],
    ['no URI name', ['subjectAltName=DNS:a']],
    ['two URI names', ['subjectAltName=URI:spiffe://muster.internal/node/a,URI:spiffe://muster.internal/user/root']],
    ['a URI that is not a SPIFFE id', ['subjectAltName=URI:https://muster.internal/node/a']],
    ['a SPIFFE id without a path', ['subjectAltName=URI:spiffe://muster.internal']],
    ['a DNS name of two', ['subjectAltName=@alt', '[alt]', 'URI.1=spiffe://muster.internal/node/a', 'DNS.1=a, DNS:b']],
    ['CA:TRUE', ['subjectAltName=URI:spiffe://muster.internal/node/a', 'basicConstraints=CA:TRUE']],
  ])('a certificate with %s gives no identity', (_what, extensions) => {
    expectRefusal(() => parseIdentity(opensslCertificate('/CN=a', extensions)), 'CERTIFICATE_MALFORMED')
  })

  testWithOpenssl.each(['/O=node', '/CN=a/CN=b', '/CN=a\nb'])(
    'a certificate with the subject %j gives no identity',
    (subject) => {
      const extensions = ['subjectAltName=URI:spiffe://muster.internal/node/a']
      expectRefusal(() => parseIdentity(opensslCertificate(subject, extensions)), 'CERTIFICATE_MALFORMED')
    },
  )

  testWithOpenssl(
    'the identity in a certificate has no issuer type when the issuer is not an authority of the cluster',
    () => {
      const extensions = ['subjectAltName=URI:spiffe://muster.internal/node/a', 'basicConstraints=CA:FALSE']
      for (const subject of ['/CN=a', '/OU=admin/CN=a', '/OU=host/OU=user/CN=a']) {
        expect(parseIdentity(opensslCertificate(subject, extensions)).issuerType).toBeUndefined()
      }
    },
  )

  test('the identity in a certificate is rejected when an extension is repeated, with the same value or another', () => {
    const names = (name: string) => subjectAltName(`spiffe://muster.internal/node/${name}`, [])
    const leaf = (...extensions: Asn1Node[]) => unusualLeaf(host.issuing, extensions, after(dayMs))
    expect(parseIdentity(leaf(leafConstraints, names('a'))).spiffeId).toBe('spiffe://muster.internal/node/a')
    for (const repeated of [
      leaf(leafConstraints, names('a'), names('a')),
      leaf(leafConstraints, names('a'), names('b')),
      leaf(leafConstraints, names('a'), leafConstraints),
    ]) {
      expectRefusal(() => parseIdentity(repeated), 'CERTIFICATE_MALFORMED')
    }
  })

  test('the identity in a certificate is rejected when the serial is negative', () => {
    const leafDer = issueLeaf(leafRequest(host.issuing))
    const at = leafDer.indexOf(Buffer.from(parseIdentity(leafDer).serial, 'hex'))
    const negative = Buffer.from(leafDer)
    negative[at] = negative[at]! | 0x80
    expectRefusal(() => parseIdentity(negative), 'CERTIFICATE_MALFORMED')
  })

  test('a CA certificate, a request and a PEM text give no identity', () => {
    const pem = Buffer.from(pemFromDer(issueLeaf(leafRequest(host.issuing))))
    for (const der of [host.root.certificateDer, host.issuing.certificateDer, pem, Buffer.alloc(0)]) {
      expectRefusal(() => parseIdentity(der), 'CERTIFICATE_MALFORMED')
    }
  })

  test('the identity of a certificate damaged at random is read or refused, without another exception', () => {
    const leafDer = issueLeaf(leafRequest(host.issuing))
    let refused = 0
    for (let seed = 1; seed <= 500; seed++) {
      const injured = mutate(leafDer, seededRandom(seed))
      for (const read of [parseIdentity, spkiPin]) {
        const reason = refusal(() => read(injured))
        expect(['none', 'CERTIFICATE_MALFORMED']).toContain(reason)
        if (reason !== 'none') refused++
      }
    }
    expect(refused).toBeGreaterThan(400)
  })
})

describe('the CA pin', () => {
  testWithOpenssl('the CA pin is the SHA-256 of the public key as OpenSSL computes it', () => {
    const files = { 'root.pem': pemFromDer(host.root.certificateDer) }
    const publicPem = openssl(['x509', '-in', 'root.pem', '-noout', '-pubkey'], files)
    const spkiDer = openssl(['pkey', '-pubin', '-in', 'key.pem', '-outform', 'DER'], { 'key.pem': publicPem })
    const digest = openssl(['dgst', '-sha256', '-r', 'key.der'], { 'key.der': spkiDer }).toString().slice(0, 64)
    expect(spkiPin(host.root.certificateDer)).toBe(`sha256:${digest}`)
  })

  test('the CA pin differs between roots and from the pin of the issuing CA', () => {
    const pins = [host.root, host.issuing, testAuthority().root].map(({ certificateDer }) => spkiPin(certificateDer))
    expect(new Set(pins).size).toBe(3)
  })
})

function opensslCertificate(subject: string, extensions: string[]): Buffer {
  const config = ['[req]', 'distinguished_name=dn', 'x509_extensions=ext', '[dn]', '[ext]', ...extensions, ''].join(
    '\n',
  )
  const args = ['req', '-x509', '-config', 'c.cnf', '-key', 'k.pem', '-subj', subject, '-days', '1', '-utf8']
  const pem = openssl(args, { 'c.cnf': config, 'k.pem': privateKeyPem(generateKey()) })
  return dersFromPem(pem.toString())[0]!
}
