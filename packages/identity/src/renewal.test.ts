import { describe, expect, test } from '@jest/globals'
import { manualClock } from '@muster/testkit'
import { memoryLog } from '@muster/testkit/log'
import type { CertificateLife } from './certificate-life.ts'
import { renewalTime, renewForever, type RenewalOptions } from './renewal.ts'
import { Urgency } from './urgency.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

function setUp(overrides: Partial<RenewalOptions> = {}) {
  const clock = manualClock()
  const startedAt = clock.now().getTime()
  const stop = new AbortController()
  const { log, lines } = memoryLog()
  const renewals: { afterMs: number; expired: boolean }[] = []
  const dayFromNow = (): CertificateLife => ({
    issuedAt: clock.now(),
    expiresAt: new Date(clock.now().getTime() + DAY_MS),
  })
  const options: RenewalOptions = {
    first: dayFromNow(),
    renew: async (expired) => {
      renewals.push({ afterMs: clock.now().getTime() - startedAt, expired })
      return dayFromNow()
    },
    clock,
    log,
    signal: stop.signal,
    random: () => 0.5,
    ...overrides,
  }
  return { clock, stop, lines, renewals, options }
}

describe('the renewal of a certificate', () => {
  test('a certificate is due between half and four fifths of its life', () => {
    const issuedAt = new Date('2026-01-01T00:00:00Z')
    const expiresAt = new Date('2026-01-02T00:00:00Z')
    expect(renewalTime({ issuedAt, expiresAt }, () => 0)).toEqual(new Date('2026-01-01T12:00:00Z'))
    expect(renewalTime({ issuedAt, expiresAt }, () => 1)).toEqual(new Date('2026-01-01T19:12:00Z'))
    const drawn = Array.from(
      { length: 2_000 },
      () => renewalTime({ issuedAt, expiresAt }).getTime() - issuedAt.getTime(),
    )
    expect(Math.min(...drawn)).toBeGreaterThanOrEqual(0.5 * DAY_MS)
    expect(Math.max(...drawn)).toBeLessThanOrEqual(0.8 * DAY_MS)
    // Spread over all of that time, so that members who joined together do not renew together.
    for (const [from, to] of [
      [0.5, 0.6],
      [0.6, 0.7],
      [0.7, 0.8],
    ] as const) {
      expect(drawn.filter((ms) => ms >= from * DAY_MS && ms < to * DAY_MS).length).toBeGreaterThan(400)
    }
  })

  test('a certificate is renewed in time though the clock was set back by days meanwhile', async () => {
    const { clock, stop, renewals, options } = setUp()
    const renewing = renewForever(options)
    await clock.advance(0.3 * DAY_MS)
    clock.step(-2 * DAY_MS)
    await clock.advance(0.34 * DAY_MS)
    expect(renewals).toEqual([])
    await clock.advance(0.02 * DAY_MS)
    expect(renewals).toHaveLength(1)
    stop.abort()
    await renewing
  })

  test('a certificate is renewed early when the clock is set forward past its end', async () => {
    const { clock, stop, renewals, options } = setUp()
    const renewing = renewForever(options)
    await clock.advance(0.3 * DAY_MS)
    clock.step(2 * DAY_MS)
    await clock.advance(60_000)
    expect(renewals).toMatchObject([{ expired: true }])
    stop.abort()
    await renewing
  })

  test('a certificate is renewed each time it is due, until the signal aborts', async () => {
    const { clock, stop, renewals, options } = setUp()
    const renewing = renewForever(options)
    await clock.advance(0.64 * DAY_MS)
    expect(renewals).toEqual([])
    await clock.advance(0.02 * DAY_MS)
    expect(renewals).toHaveLength(1)
    await clock.advance(2 * DAY_MS)
    expect(renewals).toHaveLength(4)
    expect(renewals.every(({ expired }) => !expired)).toBe(true)
    stop.abort()
    await renewing
    await clock.advance(2 * DAY_MS)
    expect(renewals).toHaveLength(4)
    expect(clock.sleepers).toBe(0)
  })

  test('a certificate is renewed soon after a suspended machine wakes up', async () => {
    const { clock, stop, renewals, options } = setUp()
    const renewing = renewForever(options)
    await clock.advance(HOUR_MS)
    // A suspended machine: its clock jumps, its timers do not.
    expect(Math.max(...clock.sleeps)).toBeLessThanOrEqual(60_000)
    stop.abort()
    await renewing
    expect(renewals).toEqual([])
  })

  test('an expired certificate is renewed as expired', async () => {
    const ended = { issuedAt: new Date(0), expiresAt: new Date(1_000) }
    const { clock, stop, renewals, options } = setUp({ first: ended })
    const renewing = renewForever(options)
    await clock.advance(1)
    expect(renewals).toEqual([{ afterMs: 0, expired: true }])
    stop.abort()
    await renewing
  })

  test('a certificate is renewed at once, and once, when that is urgent', async () => {
    const urgency = new Urgency()
    const { clock, stop, renewals, options } = setUp({ urgency })
    const renewing = renewForever(options)
    await clock.advance(HOUR_MS)
    expect(renewals).toEqual([])
    urgency.raise()
    await clock.advance(1)
    expect(renewals).toHaveLength(1)
    await clock.advance(HOUR_MS)
    expect(renewals).toHaveLength(1)
    stop.abort()
    await renewing
  })

  test('a certificate is renewed again when that becomes urgent during a renewal', async () => {
    const urgency = new Urgency()
    const { clock, stop, renewals, options } = setUp({ urgency })
    const { renew } = options
    const renewing = renewForever({
      ...options,
      renew: async (expired) => {
        if (renewals.length === 0) urgency.raise()
        return renew(expired)
      },
    })
    urgency.raise()
    await clock.advance(1)
    expect(renewals).toHaveLength(2)
    stop.abort()
    await renewing
  })

  test('a certificate is renewed again after failures, also after it has expired', async () => {
    const tries: boolean[] = []
    const { clock, stop, lines, options } = setUp({
      renew: async (expired) => {
        tries.push(expired)
        if (!expired) throw new Error('unreachable')
        return { issuedAt: clock.now(), expiresAt: new Date(clock.now().getTime() + DAY_MS) }
      },
    })
    const renewing = renewForever(options)
    await clock.advance(DAY_MS + 120_000)
    expect(tries.at(-1)).toBe(true)
    expect(tries.filter((expired) => expired)).toHaveLength(1)
    expect(tries.length).toBeGreaterThan(10)
    expect(lines.filter(({ msg }) => msg.startsWith('renewal failed'))).toHaveLength(tries.length - 1)
    expect(lines.at(-1)).toMatchObject({ event: 'certificate.renewed' })
    stop.abort()
    await renewing
  })

  test('a certificate is not renewed again after a final failure, which is thrown', async () => {
    let tries = 0
    const { clock, options } = setUp({
      renew: async () => {
        tries += 1
        throw new Error('banned')
      },
      isFinal: (error) => (error as Error).message === 'banned',
    })
    const thrown = renewForever(options).catch((error: unknown) => error)
    await clock.advance(DAY_MS)
    expect(await thrown).toMatchObject({ message: 'banned' })
    expect(tries).toBe(1)
  })
})
