import { expect, test } from '@jest/globals'
import { isTimestamp } from './times.ts'

test.each([
  ['0001-01-01T00:00:00.000Z', true],
  ['9999-12-31T23:59:59.999Z', true],
  ['2026-11-22T18:00:00.000Z', true],
  ['0000-12-31T23:59:59.999Z', false],
  ['+010000-01-01T00:00:00.000Z', false],
  ['never', false],
])('%s is a time of the years 1 to 9999: %s', (text, expected) => {
  expect(isTimestamp(new Date(text))).toBe(expected)
})
