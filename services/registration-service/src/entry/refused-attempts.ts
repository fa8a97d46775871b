import { type AppError, formatDuration, refusal, sourceOf } from '@muster/domain'
import type { Logger } from '@muster/runtime'
import type { Redis, Result } from 'ioredis'
import { openRedis, redisWarning } from '../presence/redis.ts'

declare module 'ioredis' {
  interface RedisCommander<Context> {
    musterRefused(key: string, intervalMs: number, burst: number, counts: 0 | 1): Result<number, Context>
  }
}

/**
 * The generic cell rate algorithm: a key holds the time (ms) until which this source's refusals are paid for; each one
 * costs an interval, and at most `burst` intervals may be owed. So the limit slides: there is no window to wait for the end
 * of. On Redis' own clock, as replicas' differ. ARGV: interval (ms), burst, 1 to count a refusal or 0 to look only.
 * Answers with the time (ms) to wait, 0 if within the limit. Whoever is over it is not counted, so waiting is enough.
 */
const REFUSED = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local paid = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + interval
local wait = paid - burst * interval - now
if wait > 0 then return math.ceil(wait) end
if ARGV[3] == '1' then redis.call('SET', KEYS[1], paid, 'PX', math.ceil(paid - now)) end
return 0`

/** A limit that cannot be asked must not hold up a join for long. */
const COMMAND_TIMEOUT_MS = 500

/** How to count refused attempts. */
export interface RefusedAttemptsOptions {
  redisUrl: string
  clusterName: string
  /** Refusals that a source may have, at once and then per minute. */
  perMinute: number
  log: Logger
}

/**
 * Counts refused joins and signups per source, for all replicas together. It never rejects and limits nobody while Redis
 * is away. Keys: `muster:<cluster>:refused:<source>`, gone by themselves within a minute or so.
 */
export class RefusedAttempts {
  readonly #redis: Redis
  readonly #prefix: string
  readonly #burst: number
  readonly #intervalMs: number
  readonly #warn: (error: unknown) => void

  constructor({ redisUrl, clusterName, perMinute, log }: RefusedAttemptsOptions) {
    this.#prefix = `muster:${clusterName}:refused:`
    this.#burst = perMinute
    this.#intervalMs = 60_000 / perMinute
    this.#warn = redisWarning(log, 'Redis is not usable; refused attempts are not limited until it is')
    this.#redis = openRedis(redisUrl, { commandTimeoutMs: COMMAND_TIMEOUT_MS, onError: this.#warn })
    this.#redis.defineCommand('musterRefused', { lua: REFUSED, numberOfKeys: 1 })
  }

  /** Counts a refusal. @returns how long (ms) this source must wait, 0 if it is within its limit */
  hit(address: string): Promise<number> {
    return this.#ask(address, 1)
  }

  /** The same without counting: how long (ms) until this source may be refused again. */
  wait(address: string): Promise<number> {
    return this.#ask(address, 0)
  }

  close(): void {
    this.#redis.disconnect()
  }

  async #ask(address: string, counts: 0 | 1): Promise<number> {
    try {
      return await this.#redis.musterRefused(this.#prefix + sourceOf(address), this.#intervalMs, this.#burst, counts)
    } catch (error) {
      this.#warn(error)
      return 0
    }
  }
}

/** What a source that is over its limit is told, in place of why it was refused. */
export function tooManyRefused(waitMs: number): AppError {
  const wait = formatDuration(Math.ceil(waitMs / 1_000))
  return refusal('TOO_MANY_REFUSED', `too many refused attempts from this address; try again in ${wait}`, {
    retryAfterMs: waitMs,
  })
}
