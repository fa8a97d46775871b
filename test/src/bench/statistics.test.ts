import { expect, test } from '@jest/globals'
import { median, quantile, sum } from './statistics.ts'

test('quantiles do not depend on the order of the values', () => {
  const values = Array.from({ length: 100 }, (_, i) => (i * 37) % 100)
  expect(quantile(values, 0.99)).toBe(99)
  expect(median(values)).toBe(50)
  expect(median([3])).toBe(3)
})

test('an empty list has no quantile and a sum of zero', () => {
  expect(median([])).toBeNaN()
  expect(sum([])).toBe(0)
})
