import { createCipheriv, createDecipheriv, randomBytes, type KeyObject } from 'node:crypto'
import { privateKeyFromPem, privateKeyPem } from '@muster/pki'

const NONCE_BYTES = 12
const TAG_BYTES = 16

/**
 * Encrypts a private key for the database: AES-256-GCM (NIST SP 800-38D) with a random nonce. `belongsTo` is the
 * certificate of the key; it is authenticated too, so a sealed key cannot be moved to another row.
 */
export function sealKey(keyEncryptionKey: Buffer, privateKey: KeyObject, belongsTo: Buffer): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', keyEncryptionKey, nonce).setAAD(belongsTo)
  const sealed = Buffer.concat([cipher.update(privateKeyPem(privateKey), 'utf8'), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed])
}

/** Decrypts a sealed key. @throws Error if the key-encryption key is another one, or if the row was changed */
export function openKey(keyEncryptionKey: Buffer, sealed: Buffer, belongsTo: Buffer): KeyObject {
  const nonce = sealed.subarray(0, NONCE_BYTES)
  const tag = sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES)
  const decipher = createDecipheriv('aes-256-gcm', keyEncryptionKey, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(belongsTo).setAuthTag(tag)
  try {
    const pem = decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
    return privateKeyFromPem(pem)
  } catch (error) {
    throw new Error(
      'the key-encryption key does not open the stored CA keys: is MUSTER_KEY_ENCRYPTION_KEY_FILE the right file?',
      {
        cause: error,
      },
    )
  }
}
