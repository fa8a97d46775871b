import { PkiError } from './errors.ts'

/**
 * The y coordinates of the points of small order, in little-endian hex (RFC 8032 §5.1.2). Signatures under such a key verify
 * for messages that nobody signed, so everybody could show it.
 */
const SMALL_ORDER: ReadonlySet<string> = new Set([
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  `ec${'ff'.repeat(30)}7f`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
])

/** From here on, a y coordinate is written in a second way: the prime 2^255 - 19 and above. */
const NOT_CANONICAL = /^(?:ed|ee|ef|f.)(?:ff){30}7f$/

/** Refuses points of small order, and second ways to write a point. OpenSSL accepts both. Throws PkiError KEY_NOT_ALLOWED. */
export function assertEd25519Point(point: Buffer): void {
  const y = Buffer.from(point)
  // The highest bit is the sign of x.
  y[31]! &= 0x7f
  const hex = y.toString('hex')
  if (SMALL_ORDER.has(hex)) throw new PkiError('KEY_NOT_ALLOWED', 'public key: an Ed25519 point of small order')
  if (NOT_CANONICAL.test(hex)) throw new PkiError('KEY_NOT_ALLOWED', 'public key: not the canonical form of a point')
}
