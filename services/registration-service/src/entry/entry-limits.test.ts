import { beforeEach, describe, expect, test } from '@jest/globals'
import { type AppError, refusal, sourceOf } from '@muster/domain'
import { manualClock, type ManualClock } from '@muster/testkit'
import { EntryLimits } from './entry-limits.ts'
import { type RefusedAttempts, tooManyRefused } from './refused-attempts.ts'

let clock: ManualClock
let limits: EntryLimits
/** The time to wait that the next refusals of each source return. */
let waits: Map<string, number>

beforeEach(() => {
  clock = manualClock()
  waits = new Map()
  const count = { hit: async (address: string) => waits.get(sourceOf(address)) ?? 0 }
  limits = new EntryLimits(count as unknown as RefusedAttempts, clock)
})

let connections = 0

function from(remoteAddress: string) {
  const context = {
    remoteAddress,
    connection: `${remoteAddress}:${++connections}`,
    signal: new AbortController().signal,
  }
  return { context, isGuess: false }
}

const refused = refusal('TOKEN_UNKNOWN', 'no')

/** Whether an attempt is served without waiting for another of the same source, which never ends. */
async function isServedAtOnce(address: string): Promise<boolean> {
  let served = 0
  const serve = () => {
    served += 1
    return new Promise<void>(() => {})
  }
  for (let i = 0; i < 2; i++) void limits.run(from(address), serve, () => true).catch(() => {})
  await Promise.resolve()
  return served === 2
}

describe('a source', () => {
  test('a source within its limit is served at once, and told the reason of its refusal', async () => {
    expect(await limits.answer(from('10.0.0.1'), refused)).toBe(refused)
    expect(await isServedAtOnce('10.0.0.1')).toBe(true)
  })

  test('a source over its limit is served one at a time, other sources are not', async () => {
    waits.set('10.0.0.1', 3_000)
    expect(await limits.answer(from('10.0.0.1'), refused)).toMatchObject({
      reason: 'TOO_MANY_REFUSED',
      retryAfterMs: 3_000,
    })
    expect(await isServedAtOnce('10.0.0.1')).toBe(false)
    expect(await isServedAtOnce('10.0.0.2')).toBe(true)
  })

  test('a source of IPv6 is slowed down as a network of 64 bits', async () => {
    waits.set(sourceOf('2001:db8::1'), 3_000)
    await limits.answer(from('2001:db8::1'), refused)
    expect(await isServedAtOnce('2001:db8::2')).toBe(false)
  })

  test('a source is served at once again five seconds after its last refusal over the limit', async () => {
    waits.set('10.0.0.1', 3_000)
    await limits.answer(from('10.0.0.1'), refused)
    await clock.advance(3_000)
    await limits.answer(from('10.0.0.1'), refused)
    await clock.advance(4_999)
    expect(await isServedAtOnce('10.0.0.1')).toBe(false)
    await clock.advance(1)
    expect(await isServedAtOnce('10.0.0.1')).toBe(true)
  })
})

test('a flood is slowed down as soon as its first refusals are over the limit, however many attempts already wait', async () => {
  let served = 0
  const flood = Array.from({ length: 1_000 }, async () => {
    const attempt = from('10.0.0.1')
    const error = await limits
      .run(
        attempt,
        async () => {
          served += 1
          waits.set('10.0.0.1', 3_000)
          throw refused
        },
        () => true,
      )
      .catch((thrown: AppError) => thrown)
    await limits.answer(attempt, error)
  })
  await clock.advance(0)
  expect(served).toBeLessThan(200)
  await clock.advance(60_000)
  await Promise.all(flood)
})

describe('answers to attempts that were not looked at', () => {
  /** The times in milliseconds after which so many such attempts at once are answered. */
  async function answeredAfter(count: number): Promise<number[]> {
    const startedAt = clock.now().getTime()
    const answers = Array.from({ length: count }, async () => {
      await limits.answer(from('10.0.0.1'), tooManyRefused(1))
      return clock.now().getTime() - startedAt
    })
    await clock.advance(10_000)
    return Promise.all(answers)
  }

  test('the answer to an attempt that was not looked at is held back for a second', async () => {
    expect(await answeredAfter(1)).toEqual([1_000])
  })

  test('the answer to an attempt that was not looked at is held back for longer the more answers of its source are held back, up to eight seconds', async () => {
    const times = await answeredAfter(1_000)
    expect(times[99]).toBe(2_000)
    expect(Math.max(...times)).toBe(8_000)
    expect(await answeredAfter(1)).toEqual([1_000])
  })

  test('the answer to an attempt that was not looked at is not held back for a caller that is gone', async () => {
    const attempt = from('10.0.0.1')
    const context = { ...attempt.context, signal: AbortSignal.abort() }
    expect(await limits.answer({ ...attempt, context }, tooManyRefused(1))).toMatchObject({
      reason: 'TOO_MANY_REFUSED',
    })
  })
})
