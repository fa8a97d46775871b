import os from 'node:os'
import { registration } from '@muster/contracts'
import { AppError } from '@muster/domain'
import { certificateLife, isRefused, type NodeFacts, withClocks } from '@muster/identity'
import type { Connection, TlsIdentity } from '@muster/rpc'
import { type Clock, type LineLog, VERSION } from '@muster/runtime'
import { isStranger } from '../join/recover.ts'
import { reportedFacts } from '../join/reported-facts.ts'

/** What the heartbeat needs. */
export interface HeartbeatDeps {
  connection: Connection
  /** The identity that the connection shows. */
  tls: TlsIdentity
  facts: NodeFacts
  /** Whether the certificate has expired by the clock of this machine; false by default. */
  isExpired?: () => boolean
  /** Whether the certificate that the connection shows is on disk; true by default. */
  isStored?: () => boolean
  /** The version of the trust bundle in use; each hello confirms it. */
  trustBundleVersion: () => number
  clock: Clock
  log: LineLog
  /** Called with each answer. */
  onAnswer: (answer: registration.HeartbeatResponse) => void
  /** Called once when the cluster can no longer be reached. */
  onAway: (error: unknown) => void
}

/** The pace until the first answer of the server. */
const FIRST_SETTINGS: registration.HeartbeatSettings = { intervalMs: 5_000, offlineAfterMs: 15_000 }
const MAX_RECONNECT_MS = 5_000
/** The agent keeps its pace within these, whatever a server says. */
const INTERVAL_MS = { least: 100, most: 10 * 60_000 }

/**
 * Sends heartbeats until the signal aborts. It opens a new stream when one breaks, or when the server has been silent for
 * as long as it would wait for this node; full jitter keeps a fleet from returning all at once. After a renewal it
 * replaces the stream at once, since the server rejects heartbeats under an expired certificate.
 * @throws AppError if the server refuses this node
 */
export async function sendHeartbeats(deps: HeartbeatDeps, signal: AbortSignal): Promise<void> {
  let failures = 0
  let wasOnline: boolean | undefined
  const onOnline = () => {
    failures = 0
    if (wasOnline !== true) deps.log.info({}, 'online')
    wasOnline = true
  }
  while (!signal.aborted) {
    try {
      const end = await runStream(deps, onOnline, signal)
      if (end === 'renewed') continue
    } catch (thrown) {
      if (signal.aborted) return
      const error = withClocks(thrown, { now: deps.clock.now(), expiresAt: expiryOf(deps.tls) })
      if (isStranger(error) && deps.isExpired?.() === true) {
        await untilRenewed(deps, signal)
        continue
      }
      if (isRefused(error)) throw error
      // The first failure is often only a server that closes an old connection; the next attempt succeeds.
      if (failures > 0 && wasOnline !== false) {
        deps.log.warn({ err: error }, 'the cluster cannot be reached; trying again')
        deps.onAway(error)
        wasOnline = false
      }
    }
    failures += 1
    const capMs = Math.min(MAX_RECONNECT_MS, 200 * 2 ** failures)
    await deps.clock.sleep(Math.random() * capMs, signal).catch(() => {})
  }
}

/** A server bars those who keep showing it an expired certificate, and this clock may be wrong. */
const EXPIRED_PAUSE_MS = 120_000

/** Waits until the connection shows another certificate, or for a while. */
async function untilRenewed({ tls, clock }: HeartbeatDeps, signal: AbortSignal): Promise<void> {
  const renewed = new AbortController()
  const stopFollowing = tls.onUpdate(() => renewed.abort())
  await clock.sleep(EXPIRED_PAUSE_MS, AbortSignal.any([signal, renewed.signal])).catch(() => {})
  stopFollowing()
}

/** Runs one stream, from the hello to its end. */
async function runStream(deps: HeartbeatDeps, onOnline: () => void, signal: AbortSignal): Promise<'renewed' | 'ended'> {
  const { connection, tls, facts, trustBundleVersion, clock, onAnswer, isStored = () => true } = deps
  let settings = FIRST_SETTINGS
  const silence = new Silence(clock)
  const method = registration.RegistrationServiceService.heartbeat
  const answered = new AbortController()
  const stream = connection.duplex(method, (answer: registration.HeartbeatResponse) => {
    answered.abort()
    silence.end()
    settings = answer.settings === undefined ? settings : withinLimits(answer.settings)
    onAnswer(answer)
    onOnline()
  })
  const streamEnded = new AbortController()
  const stop = () => streamEnded.abort()
  stream.ended.then(stop, stop)
  signal.addEventListener('abort', stop, { once: true })
  let isRenewed = false
  const stopFollowing = tls.onUpdate(() => {
    isRenewed = true
    stop()
  })
  try {
    const value = { ...hello(facts, trustBundleVersion()), certificateUnstored: !isStored() }
    stream.send({ message: { $case: 'hello', value } })
    // The first answer sets the pace.
    const toldOrEnded = AbortSignal.any([answered.signal, streamEnded.signal])
    await clock.sleep(settings.offlineAfterMs, toldOrEnded).catch(() => {})
    while (!streamEnded.signal.aborted) {
      // Up to a fifth early and never late: this spreads the heartbeats of a fleet.
      await clock.sleep(settings.intervalMs * (0.8 + 0.2 * Math.random()), streamEnded.signal).catch(() => {})
      if (streamEnded.signal.aborted) break
      if (silence.lengthMs() > settings.offlineAfterMs) {
        throw new AppError('unavailable', 'the server does not answer heartbeats')
      }
      stream.send({ message: { $case: 'beat', value: {} } })
    }
    if (signal.aborted || isRenewed) await stream.end()
    else await stream.ended
    return isRenewed ? 'renewed' : 'ended'
  } finally {
    stopFollowing()
    signal.removeEventListener('abort', stop)
    stream.cancel()
  }
}

function hello(facts: NodeFacts, trustBundleVersion: number): registration.Hello {
  const { hostname, labels, advertisedAddress } = reportedFacts(facts)
  return {
    version: VERSION,
    hostname,
    labels,
    advertisedAddress,
    os: `${os.platform()} ${os.arch()} ${os.release()}`,
    trustBundleVersion,
  }
}

/** When the certificate that the connection shows ends. */
function expiryOf({ current }: TlsIdentity): Date {
  return current.own === undefined ? new Date(0) : certificateLife(current.own.chainPem).expiresAt
}

/** How long a server has been silent. The time of day also counts a sleep of the machine; the other clock is never set back. */
class Silence {
  readonly #clock: Clock
  #since = { time: 0, elapsed: 0 }

  constructor(clock: Clock) {
    this.#clock = clock
    this.end()
  }

  end(): void {
    this.#since = { time: this.#clock.now().getTime(), elapsed: this.#clock.elapsedMs() }
  }

  lengthMs(): number {
    const { time, elapsed } = this.#since
    return Math.max(this.#clock.now().getTime() - time, this.#clock.elapsedMs() - elapsed)
  }
}

function withinLimits({ intervalMs, offlineAfterMs }: registration.HeartbeatSettings): registration.HeartbeatSettings {
  const interval = Math.min(Math.max(intervalMs, INTERVAL_MS.least), INTERVAL_MS.most)
  return { intervalMs: interval, offlineAfterMs: Math.min(Math.max(offlineAfterMs, interval), 3 * INTERVAL_MS.most) }
}
