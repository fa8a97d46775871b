import { beforeEach, describe, expect, test } from '@jest/globals'
import { AppError, refusal } from '@muster/domain'
import { manualClock, type ManualClock } from '@muster/testkit'
import { GuessTurns } from './guess-turns.ts'

/** The count of refusals without Redis: so many in all. */
class Count {
  refused = 0
  readonly reserved = new Set<string>()
  readonly limit: number

  constructor(limit: number) {
    this.limit = limit
  }

  async reserve(_source: string, ids: readonly string[]) {
    if (this.refused >= this.limit) return { granted: 0, waitMs: 3_000 }
    const granted = Math.min(ids.length, this.limit - this.refused - this.reserved.size)
    for (const id of ids.slice(0, granted)) this.reserved.add(id)
    return { granted, waitMs: 0 }
  }

  async settle(_source: string, id: string, wasRefused: boolean) {
    this.reserved.delete(id)
    if (wasRefused) this.refused += 1
  }
}

let clock: ManualClock
let count: Count
let turns: GuessTurns

beforeEach(() => {
  clock = manualClock()
  count = new Count(5)
  turns = new GuessTurns(count, clock)
})

const caller = { remoteAddress: '10.0.0.1' }
const isRefusal = (thrown: unknown) => thrown instanceof AppError && thrown.kind !== 'unavailable'

/** Attempts whose values `serve` looks at. @returns what each ended with */
function attempts(howMany: number, serve: () => Promise<unknown>): Promise<unknown[]> {
  return Promise.all(
    Array.from({ length: howMany }, () =>
      turns.run(caller, serve, isRefusal).then(
        () => 'in',
        (error: AppError) => error.reason ?? error.kind,
      ),
    ),
  )
}

function tally(outcomes: readonly unknown[]): Record<string, number> {
  const counted: Record<string, number> = {}
  for (const outcome of outcomes) counted[String(outcome)] = (counted[String(outcome)] ?? 0) + 1
  return counted
}

describe('guesses', () => {
  test('guesses are checked no more often than the limit allows, however many come at once', async () => {
    const outcomes = await attempts(200, async () => {
      throw refusal('TOKEN_UNKNOWN', 'no')
    })
    expect(tally(outcomes)).toEqual({ TOKEN_UNKNOWN: 5, TOO_MANY_REFUSED: 195 })
  })

  test('guesses that are right all get in, and no more than the limit allows are under way at once', async () => {
    let now = 0
    let most = 0
    const outcomes = await attempts(500, async () => {
      most = Math.max(most, ++now)
      await Promise.resolve()
      now -= 1
    })
    expect(tally(outcomes)).toEqual({ in: 500 })
    expect(most).toBe(5)
    expect(count).toMatchObject({ refused: 0, reserved: new Set() })
  })

  test('guesses that fail for a transient reason cost nothing', async () => {
    const outcomes = await attempts(100, async () => {
      throw new AppError('unavailable', 'away')
    })
    expect(tally(outcomes)).toEqual({ unavailable: 100 })
    expect(count).toMatchObject({ refused: 0, reserved: new Set() })
  })

  test('guesses wait while another replica has all reservations, and go on when it gives one back', async () => {
    for (let i = 0; i < 5; i++) count.reserved.add(`elsewhere ${i}`)
    const waiting = attempts(1, async () => {})
    await clock.advance(1_000)
    expect(count.reserved.size).toBe(5)
    count.reserved.delete('elsewhere 0')
    await clock.advance(50)
    expect(await waiting).toEqual(['in'])
  })

  test('guesses are turned away after twenty seconds of waiting, with a time to wait', async () => {
    for (let i = 0; i < 5; i++) count.reserved.add(`elsewhere ${i}`)
    const waiting = turns.run(caller, async () => {}, isRefusal).catch((error: unknown) => error)
    await clock.advance(20_100)
    expect(await waiting).toMatchObject({ reason: 'TOO_MANY_REFUSED', retryAfterMs: 1_000 })
  })

  test('guesses beyond four thousand that wait are turned away at once', async () => {
    for (let i = 0; i < 5; i++) count.reserved.add(`elsewhere ${i}`)
    const waiting = attempts(4_096, async () => {})
    await expect(attempts(1, async () => {})).resolves.toEqual(['TOO_MANY_REFUSED'])
    count.reserved.clear()
    await clock.advance(50)
    expect(tally(await waiting)).toEqual({ in: 4_096 })
  })
})
