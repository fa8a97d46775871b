import { describe, expect, test } from '@jest/globals'
import { isTokenId, newTokenId, newTokenValue, parseCustomTokenValue, tokenDigest, tokenIdOf } from './token-value.ts'
import { expectInvalid } from '../../test/support/failures.ts'

describe('a generated token', () => {
  test('a generated token has its id and 160 bits that are never the same', () => {
    const id = newTokenId()
    expect(isTokenId(id)).toBe(true)
    const values = new Set(Array.from({ length: 1_000 }, () => newTokenValue(id)))
    expect(values.size).toBe(1_000)
    for (const value of values) {
      expect(value).toMatch(/^mtk_[a-z2-7]{10}_[a-z2-7]{32}$/)
      expect(tokenIdOf(value)).toBe(id)
    }
  })

  test('a generated token draws its characters evenly from the 32', () => {
    const counts = new Map<string, number>()
    const secrets = Array.from({ length: 2_000 }, () => newTokenValue('aaaaaaaaaa').slice(15)).join('')
    for (const character of secrets) counts.set(character, (counts.get(character) ?? 0) + 1)
    expect(counts.size).toBe(32)
    // 64,000 draws: 2,000 of each, give or take 44; a character left out or doubled would be far outside.
    for (const count of counts.values()) expect(Math.abs(count - 2_000)).toBeLessThan(400)
  })

  test('a generated token is distinguished from other text by its form', () => {
    expect(tokenIdOf('mtk_short_x')).toBeUndefined()
    expect(tokenIdOf('my-own-secret-value')).toBeUndefined()
    expect(tokenIdOf(`${newTokenValue('aaaaaaaaaa')}\n`)).toBeUndefined()
    expect(isTokenId('aaaaaaaaa1')).toBe(false)
    expect(isTokenId('AAAAAAAAAA')).toBe(false)
  })
})

describe('custom token values', () => {
  test('a custom token value does not look like the path of a file that holds one', () => {
    for (const value of ['/run/secrets/the-token', './the-token-of-mine', '~/the-token-of-mine']) {
      expectInvalid(() => parseCustomTokenValue(value), 'value')
    }
  })

  test('a custom token value has 16 to 256 characters', () => {
    const of = (length: number) => 'abcdef'.repeat(50).slice(0, length)
    expect(parseCustomTokenValue(of(16))).toBe(of(16))
    expect(parseCustomTokenValue(of(256))).toBe(of(256))
    expectInvalid(() => parseCustomTokenValue(of(15)), 'value')
    expectInvalid(() => parseCustomTokenValue(of(257)), 'value')
  })

  test('a custom token value of few different characters is refused, since people try those first', () => {
    for (const value of ['aaaaaaaaaaaaaaaa', '1212121212121212', 'abcdeabcdeabcdeabcde']) {
      expect(expectInvalid(() => parseCustomTokenValue(value), 'value')).not.toContain(value)
    }
    expect(parseCustomTokenValue('abcdefabcdefabcdef')).toBe('abcdefabcdefabcdef')
  })

  test.each([
    'CANARY-9c2 with spaces in it',
    'CANARY-9c2\u0000\u0000\u0000\u0000\u0000\u0000\u0000',
    'mtk_CANARY-9c2-and-more',
    'CANARY-9c2',
  ])('a refused custom token value is never repeated: %j', (value) => {
    const message = expectInvalid(() => parseCustomTokenValue(value), 'value')
    expect(message).not.toContain('CANARY')
  })
})

describe("a token's digest", () => {
  test("a token's digest is HMAC-SHA-256 under the pepper", () => {
    // RFC 4231, test case 2.
    expect(tokenDigest(Buffer.from('Jefe'), 'what do ya want for nothing?').toString('hex')).toBe(
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    )
  })

  test("a token's digest differs under another pepper", () => {
    const value = newTokenValue(newTokenId())
    expect(tokenDigest(Buffer.from('a'.repeat(32)), value)).not.toEqual(tokenDigest(Buffer.from('b'.repeat(32)), value))
  })
})
