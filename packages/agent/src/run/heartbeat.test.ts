import { describe, expect, test } from '@jest/globals'
import type { registration } from '@muster/contracts'
import { AppError, receivedError, refusal } from '@muster/domain'
import { type Connection, type DuplexStream, TlsIdentity } from '@muster/rpc'
import { createLineLog } from '@muster/runtime'
import { eventually, manualClock } from '@muster/testkit'
import { sendHeartbeats } from './heartbeat.ts'

type Sent = 'hello' | 'beat'

/** One stream as the server sees it. */
interface ServerSide {
  sent: Sent[]
  /** The labels in the last hello. */
  labels: object | undefined
  /** What the last hello said of the certificate. */
  isUnstored: boolean | undefined
  /** When each message came, in milliseconds since the stream opened. */
  times: number[]
  cancelled: boolean
  answer(intervalMs?: number): void
  end(error?: AppError): void
}

function setUp({ answers = true, isStored = true } = {}) {
  const clock = manualClock()
  const startedAt = clock.now().getTime()
  const streams: ServerSide[] = []
  const lines: string[] = []
  const tls = new TlsIdentity({ hostRootsPem: '', userRootsPem: '' })
  const connection = {
    duplex(_method: unknown, onMessage: (message: registration.HeartbeatResponse) => void): DuplexStream<unknown> {
      let settle: { resolve: () => void; reject: (error: Error) => void }
      const ended = new Promise<void>((resolve, reject) => (settle = { resolve, reject }))
      ended.catch(() => {})
      const stream: ServerSide = {
        sent: [],
        labels: undefined,
        isUnstored: undefined,
        times: [],
        cancelled: false,
        answer: (intervalMs = 5_000) => {
          const settings = { intervalMs, offlineAfterMs: 3 * intervalMs }
          onMessage({ settings, trustBundleVersion: 1, renewNow: false })
        },
        end: (error) => (error === undefined ? settle.resolve() : settle.reject(error)),
      }
      streams.push(stream)
      return {
        send(message) {
          const sent = (message as registration.HeartbeatRequest).message!
          stream.sent.push(sent.$case)
          if (sent.$case === 'hello') {
            stream.labels = sent.value.labels
            stream.isUnstored = sent.value.certificateUnstored
          }
          stream.times.push(clock.now().getTime() - startedAt)
          if (answers) stream.answer()
        },
        ended,
        end: async () => settle.resolve(),
        cancel: () => {
          stream.cancelled = true
          settle.reject(new AppError('unavailable', 'cancelled'))
        },
      }
    },
  } as Partial<Connection> as Connection
  const stop = new AbortController()
  const facts = { hostname: 'web-1', labels: {}, advertisedAddress: '' }
  const log = createLineLog((line) => lines.push(line))
  const away: unknown[] = []
  const deps = {
    connection,
    tls,
    facts,
    clock,
    log,
    trustBundleVersion: () => 1,
    onAnswer: () => {},
    onAway: (error: unknown) => away.push(error),
    isStored: () => isStored,
  }
  const beating = sendHeartbeats(deps, stop.signal)
  return { clock, streams, lines, away, tls, stop, beating }
}

describe('the agent', () => {
  test.each([true, false])('the hello says whether the certificate is on disk: %s', async (isStored) => {
    const { streams, stop, beating } = setUp({ isStored })
    await eventually('greeted', () => streams[0]?.isUnstored !== undefined)
    expect(streams[0]!.isUnstored).toBe(!isStored)
    stop.abort()
    await beating
  })

  test('the agent sends one hello and then heartbeats, a little early and never late', async () => {
    const { clock, streams, stop, beating } = setUp()
    await clock.advance(60_000)
    expect(streams).toHaveLength(1)
    const [{ sent, times, labels }] = streams as [ServerSide]
    expect(labels).toEqual({ hostname: 'web-1' })
    expect(sent[0]).toBe('hello')
    expect(sent.slice(1).every((message) => message === 'beat')).toBe(true)
    const gaps = times.slice(1).map((time, i) => time - times[i]!)
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(4_000)
    expect(Math.max(...gaps)).toBeLessThanOrEqual(5_000)
    expect(new Set(gaps).size).toBeGreaterThan(5)
    stop.abort()
    await beating
  })

  test('the agent sends heartbeats at the latest pace from the server', async () => {
    const { clock, streams, stop, beating } = setUp({ answers: false })
    await clock.advance(0)
    const [stream] = streams as [ServerSide]
    stream.answer(1_000)
    await clock.advance(999)
    expect(stream.sent).toEqual(['hello', 'beat'])
    stream.answer(60_000)
    await clock.advance(1_000)
    const before = stream.sent.length
    stream.answer(60_000)
    await clock.advance(40_000)
    expect(stream.sent.length).toBe(before)
    stop.abort()
    await beating
  })

  test('the agent beats at most ten times a second, whatever pace the server asks for', async () => {
    const { clock, streams, stop, beating } = setUp({ answers: false })
    await clock.advance(0)
    const [stream] = streams as [ServerSide]
    for (let i = 0; i < 20; i++) {
      stream.answer(0)
      await clock.advance(50)
    }
    expect(stream.sent.length).toBeGreaterThan(5)
    expect(stream.sent.length).toBeLessThanOrEqual(15)
    stop.abort()
    await beating
  })

  test('the agent opens another stream after a random delay when one breaks', async () => {
    const { clock, streams, lines, stop, beating } = setUp()
    await clock.advance(1_000)
    streams[0]!.end(new AppError('unavailable', 'the server is shutting down'))
    await clock.advance(400)
    expect(streams).toHaveLength(2)
    expect(streams[1]!.sent[0]).toBe('hello')
    // The agent does not log that a server closes an old connection.
    expect(lines.filter((line) => line.includes('warn'))).toEqual([])
    stop.abort()
    await beating
  })

  test('the agent retries while the server is away, and logs once that it is away and that it is back', async () => {
    const { clock, streams, lines, away, stop, beating } = setUp({ answers: false })
    await clock.advance(0)
    streams[0]!.answer()
    for (let i = 0; i < 8; i++) {
      streams.at(-1)!.end(new AppError('unavailable', 'no connection'))
      const before = streams.length
      await eventually('tried again', async () => {
        await clock.advance(1_000)
        return streams.length > before
      })
    }
    expect(lines.filter((line) => line.includes('cannot be reached'))).toHaveLength(1)
    expect(away).toEqual([expect.objectContaining({ kind: 'unavailable' })])
    streams.at(-1)!.answer()
    expect(lines.at(-1)).toContain('online')
    stop.abort()
    await beating
  })

  test('the agent replaces a stream on which the server is silent', async () => {
    const { clock, streams, stop, beating } = setUp({ answers: false })
    await clock.advance(0)
    streams[0]!.answer(1_000)
    await clock.advance(3_000)
    expect(streams[0]!.cancelled).toBe(false)
    await eventually('replaced', async () => {
      await clock.advance(500)
      return streams.length === 2
    })
    expect(streams[0]!.cancelled).toBe(true)
    stop.abort()
    await beating
  })

  test('the agent replaces a stream on which the server is silent though the clock was set back by days', async () => {
    const { clock, streams, stop, beating } = setUp({ answers: false })
    await clock.advance(0)
    streams[0]!.answer(1_000)
    clock.step(-2 * 86_400_000)
    await eventually('replaced', async () => {
      await clock.advance(500)
      return streams.length === 2
    })
    stop.abort()
    await beating
  })

  test.each([-2, 2])(
    'the agent goes on when a server whose clock is off by %d days refuses its certificate',
    async (days) => {
      const { clock, streams, lines, stop, beating } = setUp({ answers: false })
      await clock.advance(0)
      for (let i = 0; i < 3; i++) {
        const answeredAt = new Date(clock.now().getTime() + days * 86_400_000)
        streams.at(-1)!.end(refusal('NO_IDENTITY', 'no valid certificate', { answeredAt }))
        const before = streams.length
        await eventually('tried again', async () => {
          await clock.advance(1_000)
          return streams.length > before
        })
      }
      expect(lines.join()).toMatch(/the clock of this machine says .*, the clock of the server .*; set the clock/)
      stop.abort()
      await beating
    },
  )

  test('the agent ends when a server whose clock agrees refuses its certificate', async () => {
    const { clock, streams, beating } = setUp({ answers: false })
    await clock.advance(0)
    streams[0]!.end(refusal('NO_IDENTITY', 'no valid certificate', { answeredAt: clock.now() }))
    await expect(beating).rejects.toMatchObject({ reason: 'NO_IDENTITY' })
  })

  test('the agent replaces a stream that never got an answer', async () => {
    const { clock, streams, stop, beating } = setUp({ answers: false })
    await clock.advance(14_000)
    expect(streams).toHaveLength(1)
    await eventually('replaced', async () => {
      await clock.advance(1_000)
      return streams.length > 1
    })
    stop.abort()
    await beating
  })

  test('the agent opens a new stream at once after a renewal', async () => {
    const { clock, streams, tls, stop, beating } = setUp()
    await clock.advance(7_000)
    tls.update({ hostRootsPem: 'new', userRootsPem: '' })
    await clock.advance(0)
    expect(streams).toHaveLength(2)
    expect(streams[1]!.sent).toEqual(['hello'])
    stop.abort()
    await beating
  })

  test.each(['unauthenticated', 'permissionDenied', 'failedPrecondition', 'invalidArgument'] as const)(
    'the agent ends when it is refused: %s',
    async (kind) => {
      const { clock, streams, beating } = setUp()
      const thrown = beating.catch((error: unknown) => error)
      await clock.advance(0)
      streams[0]!.end(receivedError(kind, 'no', { reason: 'NODE_UNKNOWN' }))
      expect(await thrown).toMatchObject({ kind, reason: 'NODE_UNKNOWN' })
      expect(streams).toHaveLength(1)
    },
  )

  test('the agent retries after a fault of the server', async () => {
    const { clock, streams, stop, beating } = setUp()
    await clock.advance(0)
    streams[0]!.end(new AppError('internal', 'internal error'))
    await clock.advance(1_000)
    expect(streams.length).toBeGreaterThan(1)
    stop.abort()
    await beating
  })

  test('the agent half-closes its stream when it is stopped', async () => {
    const { clock, streams, stop, beating } = setUp()
    await clock.advance(1_000)
    stop.abort()
    await beating
    await clock.advance(60_000)
    expect(streams).toHaveLength(1)
    expect(clock.sleepers).toBe(0)
  })
})
