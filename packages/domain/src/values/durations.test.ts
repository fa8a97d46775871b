import { describe, expect, test } from '@jest/globals'
import { durationInWords, formatDuration, parseDuration } from './durations.ts'
import { expectInvalid } from '../../test/support/failures.ts'

describe('a duration', () => {
  test.each([
    ['30s', 30],
    ['5m', 300],
    ['1h30m', 5_400],
    [' 2D ', 172_800],
    ['90m', 5_400],
    ['1m1m', 120],
  ])('a duration of %j is %d seconds', (text, seconds) => {
    expect(parseDuration(text, 'ttl')).toBe(seconds)
  })

  test.each([
    '',
    '5',
    'm',
    '-5m',
    '5.5m',
    '5 m',
    '1h 30m',
    '0s',
    '0h0m',
    '5M5',
    '1e3s',
    '5ms',
    '٥m',
    '1'.repeat(10) + 's',
  ])('a duration may not be %j', (text) => {
    expectInvalid(() => parseDuration(text, '--ttl'), '--ttl')
  })

  test.each([
    [0, '0s', '0 seconds'],
    [-5, '0s', '0 seconds'],
    [1, '1s', '1 second'],
    [279, '4m39s', '4 minutes 39 seconds'],
    [5_400, '1h30m', '1 hour 30 minutes'],
    [172_800, '2d', '2 days'],
    [59.6, '1m', '1 minute'],
  ])('a duration of %d seconds is written %s', (seconds, short, words) => {
    expect(formatDuration(seconds)).toBe(short)
    expect(durationInWords(seconds)).toBe(words)
  })

  test('a duration that was written can be read again', () => {
    for (const seconds of [1, 59, 60, 3_599, 86_399, 86_400, 1_000_000]) {
      expect(parseDuration(formatDuration(seconds), 'ttl')).toBe(seconds)
    }
  })
})
