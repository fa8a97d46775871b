import { registration } from '@muster/contracts'
import { tlsMaterial, type Urgency } from '@muster/identity'
import type { Connection, TlsIdentity } from '@muster/rpc'
import type { Clock, LineLog } from '@muster/runtime'
import type { Renewer } from './renewer.ts'

/** What following needs. */
export interface FollowRotationDeps {
  renewer: Renewer
  tls: TlsIdentity
  connection: Connection
  /** Raised when the certificate must be renewed before it is due. */
  urgency: Urgency
  clock: Clock
  log: LineLog
  signal: AbortSignal
}

/** What an answer of the cluster says of a rotation. */
export type RotationNews = Pick<registration.HeartbeatResponse, 'trustBundleVersion' | 'renewNow' | 'renewWithinMs'>

/** Servers before rotations did not say within how long to renew. */
const RENEW_WITHIN_MS = 60_000

/**
 * Follows a rotation by what the cluster says in its answers: fetches a newer trust bundle, and renews early when another
 * authority signs, at a random time within the period that the server gives. Neither ends the agent's work.
 */
export class FollowRotation {
  readonly #deps: FollowRotationDeps
  #isFetching = false
  #isWaiting = false

  constructor(deps: FollowRotationDeps) {
    this.#deps = deps
  }

  /** Acts on an answer. Returns at once. */
  heard({ trustBundleVersion, renewNow, renewWithinMs = RENEW_WITHIN_MS }: RotationNews): void {
    if (trustBundleVersion > this.#deps.renewer.inUse.profile.trustBundleVersion) void this.#fetch()
    if (renewNow) void this.#renewWithin(renewWithinMs)
  }

  async #fetch(): Promise<void> {
    if (this.#isFetching) return
    this.#isFetching = true
    const { renewer, tls, connection, log, signal } = this.#deps
    try {
      const client = connection.client(registration.RegistrationServiceService)
      const { trustBundle } = await client.getTrustBundle({}, { signal })
      const next = trustBundle && (await renewer.trust(trustBundle))
      if (next === undefined) return
      tls.update(tlsMaterial(next))
      log.info({ version: next.profile.trustBundleVersion }, 'stored a new trust bundle')
    } catch (error) {
      // The next answer of the cluster starts another try.
      if (!signal.aborted) log.warn({ err: error }, 'could not fetch the new trust bundle yet')
    } finally {
      this.#isFetching = false
    }
  }

  async #renewWithin(limitMs: number): Promise<void> {
    if (this.#isWaiting) return
    this.#isWaiting = true
    const { renewer, clock, urgency, signal } = this.#deps
    const { chainPem } = renewer.inUse
    await clock.sleep(Math.random() * limitMs, signal).catch(() => {})
    this.#isWaiting = false
    // Answers of the stream that is about to end still ask for a renewal that has happened.
    if (!signal.aborted && renewer.inUse.chainPem === chainPem) urgency.raise()
  }
}
