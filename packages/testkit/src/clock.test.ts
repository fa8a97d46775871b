import { describe, expect, test } from '@jest/globals'
import { manualClock } from './clock.ts'

const never = new AbortController().signal

describe('a clock that is moved by hand', () => {
  test('a clock that is moved by hand stands still until it is advanced', async () => {
    const clock = manualClock(new Date('2026-01-01T00:00:00Z'))
    await new Promise((resolve) => setImmediate(resolve))
    expect(clock.now()).toEqual(new Date('2026-01-01T00:00:00Z'))
    await clock.advance(1_500)
    expect(clock.now()).toEqual(new Date('2026-01-01T00:00:01.500Z'))
  })

  test('a clock that is moved by hand wakes sleepers in order, each at its own time', async () => {
    const clock = manualClock()
    const startedAt = clock.now().getTime()
    const woken: [string, number][] = []
    for (const [name, ms] of [
      ['late', 300],
      ['early', 100],
      ['after the end', 1_001],
    ] as const) {
      void clock.sleep(ms, never).then(() => woken.push([name, clock.now().getTime() - startedAt]))
    }
    await clock.advance(1_000)
    expect(woken).toEqual([
      ['early', 100],
      ['late', 300],
    ])
    expect(clock.sleepers).toBe(1)
    expect(clock.sleeps).toEqual([300, 100, 1_001])
  })

  test('a clock that is moved by hand lets a sleeper that woke sleep again before it moves on', async () => {
    const clock = manualClock()
    let rounds = 0
    void (async () => {
      for (;;) {
        await clock.sleep(100, never)
        rounds += 1
      }
    })()
    await clock.advance(1_000)
    expect(rounds).toBe(10)
  })

  test('a clock that is moved by hand wakes a sleeper whose signal aborts, with the reason', async () => {
    const clock = manualClock()
    const stop = new AbortController()
    const asleep = clock.sleep(100, stop.signal)
    stop.abort(new Error('stopped'))
    await expect(asleep).rejects.toThrow('stopped')
    await expect(clock.sleep(100, stop.signal)).rejects.toThrow('stopped')
    expect(clock.sleepers).toBe(0)
  })
})
