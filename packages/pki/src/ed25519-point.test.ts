import { createPublicKey, verify } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { assertKeyAllowed, assertKeyForm, generateKey, publicKeyDer } from './keys.ts'

const PREFIX = Buffer.from('302a300506032b6570032100', 'hex')
const spki = (y: string, sign = 0) => {
  const point = Buffer.from(y, 'hex')
  point[31]! |= sign
  return Buffer.concat([PREFIX, point])
}

const SMALL: [string, string][] = [
  ['1', `01${'00'.repeat(31)}`],
  ['2', `ec${'ff'.repeat(30)}7f`],
  ['4', '00'.repeat(32)],
  ['8', '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05'],
  ['8', 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a'],
]

describe('an Ed25519 key', () => {
  test.each(SMALL.flatMap(([order, y]) => [0, 0x80].map((sign) => [order, y, sign] as const)))(
    'an Ed25519 key of order %s (%s, sign %d) is refused',
    (_order, y, sign) => {
      expect(() => assertKeyForm(spki(y, sign))).toThrow('small order')
    },
  )

  test.each(['ed', 'ee', 'f0', 'ff'])(
    'an Ed25519 key whose y is written as %s... above the prime is refused',
    (first) => {
      expect(() => assertKeyForm(spki(`${first}${'ff'.repeat(30)}7f`, 0x80))).toThrow('canonical')
    },
  )

  test('an Ed25519 key that was made as usual is allowed', () => {
    for (let i = 0; i < 64; i++) expect(assertKeyAllowed(publicKeyDer(generateKey('ed25519'))).type).toBe('public')
  })

  // Why: this is what OpenSSL makes of such a key. If it changes its mind one day, this says so.
  test('OpenSSL verifies a signature of nothing under a key of small order', () => {
    const key = createPublicKey({ key: spki(`01${'00'.repeat(31)}`), format: 'der', type: 'spki' })
    const forged = Buffer.concat([Buffer.from(`01${'00'.repeat(31)}`, 'hex'), Buffer.alloc(32)])
    expect(verify(null, Buffer.from('any message'), key, forged)).toBe(true)
  })
})
