import { describe, expect, test } from '@jest/globals'
import { CERTIFICATE_BACKDATE_MS } from '@muster/domain'
import { testCluster } from '@muster/testkit'
import { certificateLife } from './certificate-life.ts'

describe('the life of a certificate', () => {
  test('the life of a certificate counts from the issue, not from the backdated start', () => {
    const notBefore = new Date('2026-12-01T00:00:00Z')
    const notAfter = new Date('2026-12-02T00:00:00Z')
    const { own } = testCluster().member({ kind: 'node', name: 'n-1', notBefore, notAfter })
    expect(certificateLife(own.chainPem)).toEqual({
      issuedAt: new Date(notBefore.getTime() + CERTIFICATE_BACKDATE_MS),
      expiresAt: notAfter,
    })
  })

  test('the life of a certificate cannot be read from a chain without a certificate', () => {
    expect(() => certificateLife('')).toThrow(expect.objectContaining({ reason: 'CERTIFICATE_MALFORMED' }))
  })
})
