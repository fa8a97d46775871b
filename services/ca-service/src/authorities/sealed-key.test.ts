import { describe, expect, test } from '@jest/globals'
import { generateKey, privateKeyPem } from '@muster/pki'
import { randomBytes } from 'node:crypto'
import { openKey, sealKey } from './sealed-key.ts'

const keyEncryptionKey = randomBytes(32)
const belongsTo = Buffer.from('the certificate of the key')
const key = generateKey()
const sealed = sealKey(keyEncryptionKey, key, belongsTo)

describe('a sealed key', () => {
  test('a sealed key opens to the same key', () => {
    expect(privateKeyPem(openKey(keyEncryptionKey, sealed, belongsTo))).toBe(privateKeyPem(key))
  })

  test('a sealed key reveals nothing of the key, and differs each time', () => {
    const secret = key.export({ type: 'pkcs8', format: 'der' })
    expect(sealed.includes('PRIVATE')).toBe(false)
    expect(sealed.includes(secret.subarray(36, 68))).toBe(false)
    expect(sealKey(keyEncryptionKey, key, belongsTo).equals(sealed)).toBe(false)
  })

  test('a sealed key does not open under another key-encryption key, and the error names the file to check', () => {
    expect(() => openKey(randomBytes(32), sealed, belongsTo)).toThrow('MUSTER_KEY_ENCRYPTION_KEY_FILE')
  })

  test('a sealed key does not open beside another certificate', () => {
    expect(() => openKey(keyEncryptionKey, sealed, Buffer.from('another certificate'))).toThrow()
  })

  test('a sealed key does not open after any bit of it was changed', () => {
    for (let at = 0; at < sealed.length; at += 7) {
      const changed = Buffer.from(sealed)
      changed[at] = changed[at]! ^ 1
      expect(() => openKey(keyEncryptionKey, changed, belongsTo)).toThrow()
    }
    for (const length of [0, 11, 12, 27, 28, sealed.length - 1]) {
      expect(() => openKey(keyEncryptionKey, sealed.subarray(0, length), belongsTo)).toThrow()
    }
  })
})
