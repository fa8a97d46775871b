import type { Logger } from '@muster/runtime'
import type { Redis, Result } from 'ioredis'
import { openRedis, redisWarning } from './redis.ts'

declare module 'ioredis' {
  interface RedisCommander<Context> {
    musterLimit(key: string, intervalMs: number, burst: number, counts: 0 | 1): Result<number, Context>
  }
}

/**
 * The generic cell rate algorithm. A key holds the time (ms) until which its hits are paid for. Each hit costs an
 * interval, and at most `burst` intervals may be owed, so the limit slides: there is no window whose end to wait for. It
 * runs on the clock of Redis, since the clocks of replicas differ.
 * ARGV: interval (ms), burst, 1 to count a hit or 0 to look only. Returns the time (ms) to wait, 0 if within the limit. A
 * hit over the limit is not counted, so waiting is enough.
 */
const LIMIT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local paid = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + interval
local wait = paid - burst * interval - now
if wait > 0 then return math.ceil(wait) end
if ARGV[3] == '1' then redis.call('SET', KEYS[1], paid, 'PX', math.ceil(paid - now)) end
return 0`

/** The limit must not delay a call for longer than this while Redis does not answer. */
const COMMAND_TIMEOUT_MS = 500

/** What is limited, and to how much. */
export interface RateLimitOptions {
  redisUrl: string
  /** Put before each key. */
  prefix: string
  /** How many hits may come at once. */
  burst: number
  /** After those, one hit in this time. */
  intervalMs: number
  log: Logger
  /** The log's line while Redis is away. */
  warning: string
}

/** A rate limit per key, for all replicas together. It never rejects, and limits nothing while Redis is away. */
export class RateLimit {
  readonly #redis: Redis
  readonly #options: RateLimitOptions
  readonly #warn: (error: unknown) => void

  constructor(options: RateLimitOptions) {
    this.#options = options
    this.#warn = redisWarning(options.log, options.warning)
    this.#redis = openRedis(options.redisUrl, { commandTimeoutMs: COMMAND_TIMEOUT_MS, onError: this.#warn })
    this.#redis.defineCommand('musterLimit', { lua: LIMIT, numberOfKeys: 1 })
  }

  /** Counts a hit. @returns how long (ms) the key must wait, 0 if it is within its limit */
  hit(key: string): Promise<number> {
    return this.#ask(key, 1)
  }

  /** Counts nothing. @returns how long (ms) until the key may be hit again */
  wait(key: string): Promise<number> {
    return this.#ask(key, 0)
  }

  close(): void {
    this.#redis.disconnect()
  }

  async #ask(key: string, counts: 0 | 1): Promise<number> {
    const { prefix, intervalMs, burst } = this.#options
    try {
      return await this.#redis.musterLimit(prefix + key, intervalMs, burst, counts)
    } catch (error) {
      this.#warn(error)
      return 0
    }
  }
}
