import { timeLeft, utcTime } from '@muster/cli-kit/print'
import { describe, expect, test } from '@jest/globals'
import { distance, utcTimeAndDistance } from './times.ts'

const NOW = new Date('2026-11-27T23:51:42.500Z')
const inSeconds = (seconds: number) => new Date(NOW.getTime() + seconds * 1000)

describe('a time for people', () => {
  test('a time for people is the date, hours and minutes in UTC', () => {
    expect(utcTime(NOW)).toBe('2026-11-27 23:51 UTC')
    expect(utcTime(new Date('2027-01-02T03:04:05+06:00'))).toBe('2027-01-01 21:04 UTC')
  })

  test.each([
    [3, 'in 3s'],
    [0, '0s ago'],
    [-3, '3s ago'],
    [-3_599, '59m59s ago'],
    [-7_545, '2h5m ago'],
    [-277_000, '3d4h ago'],
    [90_061, 'in 1d1h'],
  ])('a time %d s away reads %j', (seconds, text) => {
    expect(distance(inSeconds(seconds), NOW)).toBe(text)
  })

  test('a time for people can carry its distance', () => {
    expect(utcTimeAndDistance(inSeconds(279), NOW)).toBe('2026-11-27 23:56 UTC (in 4m39s)')
    expect(utcTimeAndDistance(inSeconds(-60), NOW)).toBe('2026-11-27 23:50 UTC (1m ago)')
  })

  test('the time left until a past time is zero', () => {
    expect(timeLeft(inSeconds(-5), NOW)).toBe('0s')
  })
})
