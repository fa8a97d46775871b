import type { Logger } from '@muster/runtime'
import type { Redis, Result } from 'ioredis'
import { HIT, RESERVE, SETTLE } from './rate-limit-scripts.ts'
import { openRedis, redisWarning } from './redis.ts'

declare module 'ioredis' {
  interface RedisCommander<Context> {
    musterHit(paid: string, intervalMs: number, burst: number): Result<number, Context>
    musterReserve(
      paid: string,
      reserved: string,
      intervalMs: number,
      burst: number,
      leaseMs: number,
      ...ids: readonly string[]
    ): Result<[granted: number, waitMs: number], Context>
    musterSettle(
      paid: string,
      reserved: string,
      intervalMs: number,
      burst: number,
      id: string,
      counts: 0 | 1,
    ): Result<number, Context>
  }
}

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
    this.#redis.defineCommand('musterHit', { lua: HIT, numberOfKeys: 1 })
    this.#redis.defineCommand('musterReserve', { lua: RESERVE, numberOfKeys: 2 })
    this.#redis.defineCommand('musterSettle', { lua: SETTLE, numberOfKeys: 2 })
  }

  /** Counts a hit. @returns how long (ms) the key must wait, 0 if it is within its limit */
  hit(key: string): Promise<number> {
    const { prefix, intervalMs, burst } = this.#options
    return this.#ask(this.#redis.musterHit(prefix + key, intervalMs, burst), 0)
  }

  /**
   * Reserves a hit for each of these ids; hits and reservations together never exceed the limit. An unsettled reservation
   * ends after `leaseMs`. @returns how many ids have one, first ones first, and how long (ms) the key must wait if
   * its hits alone have reached the limit
   */
  async reserve(key: string, ids: readonly string[], leaseMs: number): Promise<Reserved> {
    const { prefix, intervalMs, burst } = this.#options
    const keys = [prefix + key, `${prefix}${key}:reserved`] as const
    const asked = this.#redis.musterReserve(...keys, intervalMs, burst, leaseMs, ...ids)
    const [granted, waitMs] = await this.#ask(asked, [ids.length, 0])
    return { granted, waitMs }
  }

  /** Ends a reservation, and counts its hit or gives it back. */
  async settle(key: string, id: string, counts: boolean): Promise<void> {
    const { prefix, intervalMs, burst } = this.#options
    const keys = [prefix + key, `${prefix}${key}:reserved`] as const
    await this.#ask(this.#redis.musterSettle(...keys, intervalMs, burst, id, counts ? 1 : 0), 0)
  }

  close(): void {
    this.#redis.disconnect()
  }

  async #ask<T>(asked: Promise<T>, withoutRedis: T): Promise<T> {
    try {
      return await asked
    } catch (error) {
      this.#warn(error)
      return withoutRedis
    }
  }
}

/** The answer to a request for reservations. */
export interface Reserved {
  granted: number
  waitMs: number
}
