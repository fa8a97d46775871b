import { type AppError, formatDuration, refusal, sourceOf } from '@muster/domain'
import type { Logger } from '@muster/runtime'
import type { Reserved } from '../presence/local-rate-limit.ts'
import { RateLimit } from '../presence/rate-limit.ts'
import { prefixOf } from '../presence/redis-url.ts'

/** No call lasts longer, so a reservation expires only after its replica was killed. */
const LEASE_MS = 35_000

/** How many refusals a source may have, and where they are counted. */
export interface RefusedAttemptsOptions {
  redisUrl: string
  clusterName: string
  /** Refusals that a source may have at once, and then per minute. */
  perMinute: number
  log: Logger
  /** Milliseconds that never go back; `performance.now` by default. */
  now?: () => number
}

/**
 * Counts refused joins and signups per source (see `sourceOf`), for all replicas together; each replica counts by itself
 * while Redis is away. It never rejects. Keys: `muster:<cluster>:refused:<source>`, and with `:reserved` at the end; each expires within
 * about a minute.
 */
export class RefusedAttempts {
  readonly #limit: RateLimit

  constructor({ redisUrl, clusterName, perMinute, log, now }: RefusedAttemptsOptions) {
    this.#limit = new RateLimit({
      redisUrl,
      prefix: `${prefixOf(redisUrl, clusterName)}refused:`,
      burst: perMinute,
      intervalMs: 60_000 / perMinute,
      log,
      now,
      warning: 'Redis is not usable; each replica counts refused attempts by itself until it is',
    })
  }

  /** Counts a refusal. @returns how long (ms) this source must wait, 0 if it is within its limit */
  hit(address: string): Promise<number> {
    return this.#limit.hit(sourceOf(address))
  }

  /**
   * Reserves refusals for attempts whose outcome is not known yet, so that a source never has more than its limit, whatever
   * it sends at once and to which replica. @returns how many of the ids have one, and how long (ms) the source must wait if
   * its refusals have reached the limit
   */
  reserve(address: string, ids: readonly string[]): Promise<Reserved> {
    return this.#limit.reserve(sourceOf(address), ids, LEASE_MS)
  }

  /** Ends a reservation: the attempt was refused, which counts, or it was not. */
  settle(address: string, id: string, wasRefused: boolean): Promise<void> {
    return this.#limit.settle(sourceOf(address), id, wasRefused)
  }

  close(): void {
    this.#limit.close()
  }
}

/** The answer to a source that is over its limit, in place of the reason of the refusal. */
export function tooManyRefused(waitMs: number): AppError {
  const wait = formatDuration(Math.ceil(waitMs / 1_000))
  return refusal('TOO_MANY_REFUSED', `too many refused attempts from this address; try again in ${wait}`, {
    retryAfterMs: waitMs,
  })
}
