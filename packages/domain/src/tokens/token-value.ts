import { createHmac, randomBytes } from 'node:crypto'
import { invalid } from '../errors/errors.ts'

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'
const GENERATED = /^mtk_([a-z2-7]{10})_[a-z2-7]{32}$/
const TOKEN_ID = /^[a-z2-7]{10}$/

/** A new token id: 10 base32 characters (RFC 4648 §6, lower case), public. */
export function newTokenId(): string {
  return randomBase32(10)
}

/** A new token value for that id: the prefix lets secret scanners find leaks; 32 characters carry 160 random bits. */
export function newTokenValue(id: string): string {
  return `mtk_${id}_${randomBase32(32)}`
}

// 256 is a multiple of 32, so taking 5 bits of each random byte is unbiased.
function randomBase32(length: number): string {
  return Array.from(randomBytes(length), (byte) => BASE32[byte & 31]).join('')
}

/** True for the form of a token id. */
export function isTokenId(value: string): boolean {
  return TOKEN_ID.test(value)
}

/** The id inside a generated token value, or undefined for a custom value. */
export function tokenIdOf(value: string): string | undefined {
  return GENERATED.exec(value)?.[1]
}

const SECRET_IN_TEXT = /(mtk_[a-z2-7]{10}_)[a-z2-7]+/gi

/** Removes the secret of generated tokens from a text, complete or cut: people paste tokens in the place of names. */
export function withoutSecrets(text: string): string {
  return text.replace(SECRET_IN_TEXT, '$1...')
}

/** A value with fewer different characters is a pattern, which attackers try first. */
const LEAST_VARIETY = 6

/**
 * Checks a custom token value: 16 to 256 printable ASCII characters, six different ones at least, no spaces. The error
 * never repeats it. @throws invalidArgument
 */
export function parseCustomTokenValue(value: string, field = 'value'): string {
  if (value.length < 16) {
    throw invalid(field, 'shorter than 16 characters, so it could be guessed; take a longer one')
  }
  if (value.length > 256) throw invalid(field, 'longer than 256 characters')
  if (!/^[\x21-\x7e]+$/.test(value)) throw invalid(field, 'must be printable ASCII without spaces')
  if (new Set(value).size < LEAST_VARIETY) {
    throw invalid(
      field,
      `fewer than ${LEAST_VARIETY} different characters, so it could be guessed; take a more varied one`,
    )
  }
  if (/^[./~]/.test(value)) throw invalid(field, 'must not start with . / or ~, which would make it look like a path')
  if (value.startsWith('mtk_')) throw invalid(field, 'the prefix mtk_ is kept for generated tokens')
  return value
}

/** The stored form of a token: HMAC-SHA-256 (RFC 2104) under the pepper, so that a copy of the database admits nobody. */
export function tokenDigest(pepper: Buffer, value: string): Buffer {
  return createHmac('sha256', pepper).update(value, 'utf8').digest()
}
