import { type AppError, formatDuration, refusal, sourceOf } from '@muster/domain'
import type { Logger } from '@muster/runtime'
import { RateLimit } from '../presence/rate-limit.ts'

/** How many refusals a source may have, and where they are counted. */
export interface RefusedAttemptsOptions {
  redisUrl: string
  clusterName: string
  /** Refusals that a source may have at once, and then per minute. */
  perMinute: number
  log: Logger
}

/**
 * Counts refused joins and signups per source (see `sourceOf`), for all replicas together. It never rejects, and limits
 * nobody while Redis is away. Keys: `muster:<cluster>:refused:<source>`; each expires within about a minute.
 */
export class RefusedAttempts {
  readonly #limit: RateLimit

  constructor({ redisUrl, clusterName, perMinute, log }: RefusedAttemptsOptions) {
    this.#limit = new RateLimit({
      redisUrl,
      prefix: `muster:${clusterName}:refused:`,
      burst: perMinute,
      intervalMs: 60_000 / perMinute,
      log,
      warning: 'Redis is not usable; refused attempts are not limited until it is',
    })
  }

  /** Counts a refusal. @returns how long (ms) this source must wait, 0 if it is within its limit */
  hit(address: string): Promise<number> {
    return this.#limit.hit(sourceOf(address))
  }

  /** Counts nothing. @returns how long (ms) until this source may be refused again */
  wait(address: string): Promise<number> {
    return this.#limit.wait(sourceOf(address))
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
