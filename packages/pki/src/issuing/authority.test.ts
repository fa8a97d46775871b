import { X509Certificate } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { createIssuing, createRoot } from './authority.ts'
import { generateKey } from '../keys.ts'
import { pemFromDer } from '../pem.ts'
import { after, dayMs, openssl, testAuthority, testWithOpenssl } from '../../test/support/certificates.ts'

const request = { type: 'host', clusterName: 'muster.internal', notBefore: after(0), notAfter: after(dayMs) } as const

function text(certificateDer: Buffer): string {
  return openssl(['x509', '-in', 'c.pem', '-noout', '-text'], { 'c.pem': pemFromDer(certificateDer) }).toString()
}

describe('authorities', () => {
  testWithOpenssl('a root has the profile of a cluster root', () => {
    const root = text(testAuthority('user').root.certificateDer)
    expect(root).toContain('Version: 3 (0x2)')
    expect(root).toContain('Signature Algorithm: ecdsa-with-SHA256')
    expect(root).toContain('ASN1 OID: prime256v1')
    expect(root).toMatch(/Subject: O ?= ?muster\.internal, OU ?= ?user, CN ?= ?Muster user root [0-9a-f]{8}\n/)
    expect(root).toMatch(/Basic Constraints: critical\s+CA:TRUE, pathlen:1\n/)
    expect(root).toMatch(/Key Usage: critical\s+Certificate Sign, CRL Sign\n/)
    expect(root).toContain('Subject Key Identifier')
    expect(root).not.toContain('Extended Key Usage')
  })

  testWithOpenssl('an issuing CA has the profile of a cluster issuing CA', () => {
    const { root, issuing } = testAuthority()
    const found = text(issuing.certificateDer)
    expect(found).toMatch(/Subject: O ?= ?muster\.internal, OU ?= ?host, CN ?= ?Muster host issuing [0-9a-f]{8}\n/)
    expect(found).toMatch(/Basic Constraints: critical\s+CA:TRUE, pathlen:0\n/)
    expect(found).toMatch(/Key Usage: critical\s+Certificate Sign, CRL Sign\n/)
    expect(found).not.toContain('Extended Key Usage')
    const identifier = /Subject Key Identifier: *\n\s+([0-9A-F:]{59})\n/.exec(text(root.certificateDer))?.[1]
    expect(found).toMatch(new RegExp(`Authority Key Identifier: *\\n\\s+(keyid:)?${identifier}\\n`))
  })

  test('no CA has an empty subject or issuer, and the subject names eight digits of the serial', () => {
    const { root, issuing } = testAuthority()
    for (const { certificateDer } of [root, issuing]) {
      const certificate = new X509Certificate(certificateDer)
      expect(certificate.subject).toContain(certificate.serialNumber.slice(0, 8).toLowerCase())
      expect(certificate.issuer).toBe(new X509Certificate(root.certificateDer).subject)
    }
  })

  test('two generations have different subjects, keys and key identifiers', () => {
    const [one, other] = [createRoot(request), createRoot(request)].map((ca) => new X509Certificate(ca.certificateDer))
    expect(one!.subject).not.toBe(other!.subject)
    expect(one!.publicKey.equals(other!.publicKey)).toBe(false)
    expect(one!.checkIssued(other!)).toBe(false)
  })

  testWithOpenssl('a date from 2050 is a GeneralizedTime and one before is a UTCTime', () => {
    const root = createRoot({
      ...request,
      notBefore: new Date('2049-12-31T23:59:59.999Z'),
      notAfter: new Date('2050-01-01T00:00:00Z'),
    })
    const parsed = openssl(['asn1parse', '-inform', 'DER', '-in', 'c.der'], { 'c.der': root.certificateDer }).toString()
    expect(parsed).toMatch(/UTCTIME +:491231235959Z\n/)
    expect(parsed).toMatch(/GENERALIZEDTIME +:20500101000000Z\n/)
  })

  test('an issuing CA that would outlive its root is refused', () => {
    const root = createRoot(request)
    expect(() => createIssuing({ ...request, root, notAfter: after(dayMs + 1000) })).toThrow(RangeError)
    expect(() => createIssuing({ ...request, root })).not.toThrow()
  })

  test('an issuing CA is not created with a key other than that of its root', () => {
    const root = { ...createRoot(request), privateKey: generateKey() }
    expect(() => createIssuing({ ...request, root })).toThrow(RangeError)
  })

  test.each(['', 'Muster', 'a..b', '-a', 'a\0b', 'a b', 'a,OU=host', 'x'.repeat(65), 'é.internal'])(
    'a root is not created for the cluster name %j',
    (clusterName) => {
      expect(() => createRoot({ ...request, clusterName })).toThrow(RangeError)
    },
  )

  test('a root that ends before it begins is refused', () => {
    expect(() => createRoot({ ...request, notAfter: request.notBefore })).toThrow(RangeError)
    expect(() => createRoot({ ...request, notAfter: new Date(Number.NaN) })).toThrow(RangeError)
    expect(() => createRoot({ ...request, notAfter: new Date(8.64e15) })).toThrow(RangeError)
  })
})
