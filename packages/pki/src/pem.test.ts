import { X509Certificate } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { generateKey, privateKeyPem } from './keys.ts'
import { chainPem, dersFromPem, pemFromDer } from './pem.ts'
import { expectRefusal, testAuthority } from '../test/support/certificates.ts'

const { root, issuing } = testAuthority()
const ders = [issuing.certificateDer, root.certificateDer]

describe('PEM', () => {
  test('a chain is read from PEM in its order', () => {
    expect(dersFromPem(chainPem(ders))).toEqual(ders)
    expect(dersFromPem('')).toEqual([])
  })

  test('PEM is written as Node itself writes it', () => {
    expect(pemFromDer(root.certificateDer)).toBe(new X509Certificate(root.certificateDer).toString())
  })

  test('text and keys around the certificates of a PEM file are ignored', () => {
    const pem = `subject=x\r\n${chainPem(ders).replaceAll('\n', '\r\n')}\r\n${privateKeyPem(generateKey())}`
    expect(dersFromPem(pem)).toEqual(ders)
  })

  test.each([
    ['no end', pemFromDer(root.certificateDer).replace(/-----END.*/, '')],
    ['a bad character', pemFromDer(root.certificateDer).replace('MII', 'M!I')],
    ['a character too few', pemFromDer(root.certificateDer).replace('MII', 'MI')],
    ['nothing inside', '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n'],
  ])('a PEM block with %s is malformed', (_what, pem) => {
    expectRefusal(() => dersFromPem(pem), 'CERTIFICATE_MALFORMED')
  })
})
