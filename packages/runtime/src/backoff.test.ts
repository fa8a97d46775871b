import { describe, expect, test } from '@jest/globals'
import { AppError } from '@muster/domain'
import { manualClock } from '@muster/testkit'
import { retry, type RetryOptions } from './backoff.ts'

class Passing extends Error {}
class Final extends Error {}

function setUp(overrides: Partial<RetryOptions> = {}) {
  const clock = manualClock()
  const stop = new AbortController()
  const options: RetryOptions = {
    clock,
    signal: stop.signal,
    isTransient: (error) => error instanceof Passing,
    ...overrides,
  }
  return { clock, stop, options }
}

/** Fails this many times, then succeeds. */
function failing(times: number) {
  let tries = 0
  const action = async () => {
    tries += 1
    if (tries <= times) throw new Passing(`try ${tries}`)
    return `try ${tries}`
  }
  return { action, tries: () => tries }
}

describe('retry', () => {
  test('retry returns the result of the first attempt that succeeds, and sleeps only between attempts', async () => {
    const { clock, options } = setUp({ random: () => 1, baseDelayMs: 100 })
    const result = retry(failing(2).action, options)
    await clock.advance(1_000)
    expect(await result).toBe('try 3')
    expect(clock.sleeps).toEqual([100, 200])
  })

  test.each([-2, 2])('retry gives up in time though the clock is set by %d days meanwhile', async (days) => {
    const { clock, options } = setUp({ random: () => 1, baseDelayMs: 100, maxDelayMs: 100, giveUpAfterMs: 1_000 })
    const { action, tries } = failing(1_000)
    const result = retry(action, options).catch((error: unknown) => error)
    await clock.advance(500)
    clock.step(days * 86_400_000)
    await clock.advance(400)
    expect(tries()).toBe(10)
    await clock.advance(10_000)
    expect(await result).toBeInstanceOf(Passing)
    expect(tries()).toBe(11)
  })

  test('retry doubles the cap of its delay up to the largest one', async () => {
    const { clock, options } = setUp({ random: () => 1, baseDelayMs: 200, maxDelayMs: 5_000 })
    const result = retry(failing(8).action, options)
    await clock.advance(60_000)
    await result
    expect(clock.sleeps).toEqual([200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000])
  })

  test('retry stays at the largest delay however many attempts it has made', async () => {
    const { clock, options } = setUp({ random: () => 1, baseDelayMs: 1, maxDelayMs: 7 })
    const result = retry(failing(1_100).action, options)
    await clock.advance(10_000)
    await result
    expect(clock.sleeps.slice(3)).toEqual(Array.from({ length: 1_097 }, () => 7))
  })

  test('retry takes each delay from the whole range between zero and its cap', async () => {
    const draws = [0, 0.5, 0.999, 0.25]
    let drawn = 0
    const { clock, options } = setUp({ random: () => draws[drawn++ % 4]!, baseDelayMs: 100, maxDelayMs: 100 })
    const result = retry(failing(4).action, options)
    await clock.advance(1_000)
    await result
    expect(clock.sleeps).toEqual([0, 50, 99.9, 25])
  })

  test('retry waits for as long as it was told, and its own delay after that', async () => {
    const { clock, options } = setUp({ random: () => 0.5, baseDelayMs: 100, isTransient: () => true })
    let tries = 0
    const result = retry(async () => {
      tries += 1
      if (tries <= 2) throw new AppError('resourceExhausted', 'too many', { retryAfterMs: 12_000 })
    }, options)
    await clock.advance(30_000)
    await result
    expect(clock.sleeps).toEqual([12_050, 12_100])
  })

  test('retry does not start a wait that is longer than the time left', async () => {
    const { clock, options } = setUp({ giveUpAfterMs: 10_000, isTransient: () => true })
    const result = retry(
      () => Promise.reject(new AppError('resourceExhausted', 'x', { retryAfterMs: 12_000 })),
      options,
    )
    await expect(result).rejects.toMatchObject({ retryAfterMs: 12_000 })
    expect(clock.sleeps).toEqual([])
  })

  test('retry spreads many callers over the whole delay, which is random by default', async () => {
    const { clock, options } = setUp({ baseDelayMs: 1_000 })
    const results = Array.from({ length: 200 }, () => retry(failing(1).action, options))
    await clock.advance(1_000)
    await Promise.all(results)
    for (const quarter of [0, 250, 500, 750]) {
      const inQuarter = clock.sleeps.filter((ms) => ms >= quarter && ms < quarter + 250)
      expect(inQuarter.length).toBeGreaterThan(20)
    }
  })

  test('retry stops at a refusal at once', async () => {
    const { clock, options } = setUp()
    let tries = 0
    const refused = async () => {
      tries += 1
      throw new Final('no')
    }
    await expect(retry(refused, options)).rejects.toThrow(Final)
    expect(tries).toBe(1)
    expect(clock.sleeps).toEqual([])
  })

  test('retry stops at a refusal that follows failures', async () => {
    const { clock, options } = setUp()
    let tries = 0
    const result = retry(async () => {
      tries += 1
      throw tries < 3 ? new Passing() : new Final('no')
    }, options)
    const thrown = result.catch((error: unknown) => error)
    await clock.advance(10_000)
    expect(await thrown).toBeInstanceOf(Final)
    expect(tries).toBe(3)
  })

  test('retry starts no attempt after its time is up, and throws the last failure', async () => {
    const { clock, options } = setUp({ random: () => 1, baseDelayMs: 100, giveUpAfterMs: 1_000 })
    const action = failing(1_000)
    const result = retry(action.action, options)
    const thrown = result.catch((error: unknown) => error)
    await clock.advance(10_000)
    expect(await thrown).toMatchObject({ message: 'try 4' })
    // At 0, 100, 300 and 700 ms; the next would be at 1500.
    expect(action.tries()).toBe(4)
  })

  test('retry reports each failure after which it tries again, and no other', async () => {
    const told: [string, number][] = []
    const { clock, options } = setUp({
      random: () => 1,
      baseDelayMs: 10,
      onRetry: (error, delayMs) => told.push([(error as Error).message, delayMs]),
    })
    const result = retry(failing(2).action, options)
    await clock.advance(100)
    await result
    expect(told).toEqual([
      ['try 1', 10],
      ['try 2', 20],
    ])
  })

  test('retry ends in the middle of a delay when it is told to stop', async () => {
    const { clock, stop, options } = setUp()
    const action = failing(1_000)
    const result = retry(action.action, options)
    await clock.advance(0)
    stop.abort(new Error('stopped'))
    await expect(result).rejects.toThrow('stopped')
    expect(action.tries()).toBe(1)
    expect(clock.sleepers).toBe(0)
  })

  test('retry does not try again when it was told to stop during an attempt', async () => {
    const { stop, options } = setUp()
    const result = retry(async () => {
      stop.abort(new Error('stopped'))
      throw new Passing('last')
    }, options)
    await expect(result).rejects.toThrow('last')
  })
})
