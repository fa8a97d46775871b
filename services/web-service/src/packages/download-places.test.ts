import { describe, expect, test } from '@jest/globals'
import { DownloadPlaces, type Place } from './download-places.ts'

const KIBIBYTE = 1_024

/** Places on a clock of the test, and the names of the downloads that had to make room. */
function startPlaces() {
  const clock = { ms: 0 }
  const places = new DownloadPlaces(() => clock.ms)
  const ended: string[] = []
  const take = (address: string, name = address) => places.take(address, () => ended.push(name))
  const takeMany = (count: number, addressOf: (index: number) => string) =>
    Array.from({ length: count }, (_, i) => take(addressOf(i), `${addressOf(i)} #${i}`))
  /** Time passes, in which these readers take so much a second. */
  const pass = (seconds: number, readers: readonly (Place | undefined)[] = [], kibibytes = 1_000) => {
    for (let second = 0; second < seconds; second++) {
      clock.ms += 1_000
      for (const place of readers) place!.progress.moved(kibibytes * KIBIBYTE)
    }
  }
  return { ended, take, takeMany, pass }
}

test('a source has 32 places, an IPv6 network of 64 bits too, and a place is given back once', () => {
  for (const addressOf of [() => '10.0.0.1', (i: number) => `2001:db8::${i.toString(16)}`]) {
    const { take, takeMany } = startPlaces()
    const taken = takeMany(32, addressOf)
    expect(taken.every((place) => place !== undefined)).toBe(true)
    expect(take(addressOf(99))).toBeUndefined()
    expect(take('10.0.0.2')).toBeDefined()
    taken[0]!.leave()
    taken[0]!.leave()
    expect(take(addressOf(99))).toBeDefined()
    expect(take(addressOf(99))).toBeUndefined()
  }
})

test('all sources together have 256 places', () => {
  const { takeMany, ended } = startPlaces()
  const taken = takeMany(257, (i) => `10.0.${i}.1`)
  expect(taken.filter((place) => place !== undefined)).toHaveLength(256)
  expect([taken[256], ended]).toEqual([undefined, []])
})

describe('when all places are taken', () => {
  test('a reader that stalls for 20 s makes room for a newcomer, and readers that go on do not', () => {
    const { takeMany, take, pass, ended } = startPlaces()
    const [stalled, ...others] = takeMany(256, (i) => `10.0.${i}.1`)
    pass(5, [stalled, ...others])
    pass(19, others)
    expect(take('10.1.0.1')).toBeUndefined()
    pass(1, others)
    expect(take('10.1.0.1')).toBeDefined()
    expect(ended).toEqual(['10.0.0.1 #0'])
    expect(take('10.1.0.2')).toBeUndefined()
  })

  test('a reader that takes less than 16 KiB/s makes room, however quick it was at first', () => {
    const { takeMany, take, pass, ended } = startPlaces()
    const [slow, ...others] = takeMany(256, (i) => `10.0.${i}.1`)
    pass(5, [slow, ...others], 10_000)
    for (let second = 0; second < 60; second++) {
      pass(1, others)
      slow!.progress.moved(15 * KIBIBYTE)
    }
    expect(take('10.1.0.1')).toBeDefined()
    expect(ended).toEqual(['10.0.0.1 #0'])
  })

  test('a reader for which the server pauses is not slow', () => {
    const { takeMany, take, pass } = startPlaces()
    const [paused, ...others] = takeMany(256, (i) => `10.0.${i}.1`)
    paused!.progress.pause()
    pass(120, others)
    expect(take('10.1.0.1')).toBeUndefined()
    paused!.progress.resume()
    pass(19, others)
    expect(take('10.1.0.1')).toBeUndefined()
  })

  test('of slow readers, one of the source with the most of them goes first', () => {
    const { takeMany, take, pass, ended } = startPlaces()
    const single = take('10.9.0.1', 'single')
    takeMany(32, () => '10.0.0.1')
    const others = takeMany(223, (i) => `10.2.${i}.1`)
    pass(5, [single, ...others])
    pass(30, others)
    expect(take('10.1.0.1')).toBeDefined()
    expect(ended).toEqual(['10.0.0.1 #0'])
  })

  test('the slowest download of the busiest source makes room for a source that has fewer', () => {
    const { takeMany, take, pass, ended } = startPlaces()
    // Eight sources with 32 places would be at their limit.
    const taken = takeMany(256, (i) => `10.0.${i % 9}.1`)
    pass(5, taken)
    // The sources 0 to 3 have 29 places, the others 28.
    pass(5, taken.toSpliced(9, 1))
    expect(take('10.1.0.1')).toBeDefined()
    expect(ended).toEqual(['10.0.0.1 #9'])
    for (let i = 0; i < 100; i++) take('10.1.0.1')
    // Ten sources share the 256 places.
    expect(ended.length).toBeGreaterThan(20)
    expect(ended.length).toBeLessThan(30)
  })
})

test('a source whose places are held by stalled readers gives one of them to its next download', () => {
  const { takeMany, take, pass, ended } = startPlaces()
  const [, ...others] = takeMany(32, () => '10.0.0.1')
  pass(20, others)
  expect(take('10.0.0.1')).toBeDefined()
  expect(ended).toEqual(['10.0.0.1 #0'])
  expect(take('10.0.0.1')).toBeUndefined()
})
