import { describe, expect, test } from '@jest/globals'
import { parseCaPin } from './ca-pin.ts'
import { expectInvalid } from '../../test/support/failures.ts'

const DIGITS = '0123456789abcdef'.repeat(4)

describe('a CA pin', () => {
  test('a CA pin is sha256: and 64 hex digits, in either case', () => {
    expect(parseCaPin(` SHA256:${DIGITS.toUpperCase()}\n`)).toBe(`sha256:${DIGITS}`)
  })

  test.each([
    '',
    DIGITS,
    `sha256:${DIGITS.slice(1)}`,
    `sha256:${DIGITS}0`,
    `sha512:${DIGITS}`,
    `sha256:${DIGITS.replace('a', 'g')}`,
    `sha256:${DIGITS},sha256:${DIGITS}`,
    `sha256:${DIGITS.slice(0, 32)}\n${DIGITS.slice(32)}`,
  ])('a CA pin may not be %j', (pin) => {
    expectInvalid(() => parseCaPin(pin, '--ca-pin'), '--ca-pin')
  })
})
