import { beforeEach, describe, expect, test } from '@jest/globals'
import { type AppError, refusal } from '@muster/domain'
import { manualClock, type ManualClock } from '@muster/testkit'
import { SlowLane } from './slow-lane.ts'

let clock: ManualClock
let lane: SlowLane
/** What was served, in order. */
let served: string[]

beforeEach(() => {
  clock = manualClock()
  lane = new SlowLane(clock)
  served = []
})

const idle = new AbortController().signal

/** An attempt of a connection. @returns the reason of its refusal, or 'in' */
function attempt(connection: string, outcome: 'refused' | 'in' = 'refused', signal = idle): Promise<string> {
  const serve = async () => {
    served.push(connection)
    if (outcome === 'refused') throw refusal('TOKEN_UNKNOWN', 'no')
    return outcome
  }
  return lane.run({ connection, signal }, serve).catch(({ reason, kind }: AppError) => reason ?? kind)
}

describe('a slow lane', () => {
  test('a slow lane serves refused attempts one at a time, first come, first served, with a pause after each', async () => {
    const all = Promise.all(['a', 'b', 'c'].map((connection) => attempt(connection)))
    await clock.advance(99)
    expect(served).toEqual(['a'])
    await clock.advance(1)
    expect(served).toEqual(['a', 'b'])
    await clock.advance(100)
    expect(await all).toEqual(['TOKEN_UNKNOWN', 'TOKEN_UNKNOWN', 'TOKEN_UNKNOWN'])
    expect(served).toEqual(['a', 'b', 'c'])
  })

  test('a slow lane serves attempts that succeed without a pause', async () => {
    const connections = Array.from({ length: 60 }, (_, i) => `c${i}`)
    const outcomes = await Promise.all(connections.map((connection) => attempt(connection, 'in')))
    expect(new Set(outcomes)).toEqual(new Set(['in']))
    expect(served).toEqual(connections)
    expect(clock.sleeps).toEqual([])
  })

  test('a slow lane never serves two at once', async () => {
    let now = 0
    let most = 0
    const serve = async () => {
      most = Math.max(most, ++now)
      await Promise.resolve()
      now -= 1
    }
    const runs = Array.from({ length: 64 }, (_, i) => lane.run({ connection: `c${i}`, signal: idle }, serve))
    await Promise.all(runs)
    expect(most).toBe(1)
  })

  test('a slow lane turns away all but one waiting attempt of a connection, so a neighbour finds a place', async () => {
    const flood = Array.from({ length: 1_000 }, (_, i) => attempt(`attacker ${i % 4}`))
    const neighbour = attempt('neighbour', 'in')
    await clock.advance(500)
    expect(await neighbour).toBe('in')
    const outcomes = await Promise.all(flood)
    expect(outcomes.filter((reason) => reason === 'TOO_MANY_REFUSED')).toHaveLength(995)
  })

  test('a slow lane turns away attempts beyond 64 that wait, with the time to wait', async () => {
    const waiting = Array.from({ length: 65 }, (_, i) => attempt(`c${i}`))
    const turnedAway = lane.run({ connection: 'last', signal: idle }, async () => {})
    await expect(turnedAway).rejects.toMatchObject({ kind: 'resourceExhausted', retryAfterMs: 2_000 })
    await clock.advance(6_500)
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['TOKEN_UNKNOWN']))
  })

  test('a slow lane gives no turn to a caller that is gone', async () => {
    const gone = new AbortController()
    const first = attempt('a')
    const second = attempt('b', 'refused', gone.signal)
    const third = attempt('c', 'in')
    gone.abort(refusal('NO_IDENTITY', 'gone'))
    expect(await second).toBe('NO_IDENTITY')
    await clock.advance(100)
    expect([await first, await third]).toEqual(['TOKEN_UNKNOWN', 'in'])
    expect(served).toEqual(['a', 'c'])
    expect(await attempt('b', 'in', AbortSignal.abort())).toBe('in')
  })
})
