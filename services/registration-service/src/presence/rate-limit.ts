import type { Logger } from '@muster/runtime'
import type { Result } from 'ioredis'
import { LocalRateLimit, type Rate, type Reserved } from './local-rate-limit.ts'
import { HIT, RESERVE, SETTLE } from './rate-limit-scripts.ts'
import { openRedis, type RedisClient, redisWarning } from './redis.ts'

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
export interface RateLimitOptions extends Rate {
  redisUrl: string
  /** Put before each key. */
  prefix: string
  log: Logger
  /** Milliseconds that never go back; `performance.now` by default. */
  now?: (() => number) | undefined
  /** The log's line while Redis is away. */
  warning: string
}

/**
 * A rate limit per key, for all replicas together. It never rejects. While Redis is away, or this process too busy to hear its
 * answers, the limit holds for each replica by itself.
 */
export class RateLimit {
  readonly #local: LocalRateLimit
  readonly #redis: RedisClient
  readonly #options: RateLimitOptions
  readonly #warn: (error: unknown) => void

  constructor(options: RateLimitOptions) {
    this.#options = options
    this.#local = new LocalRateLimit(options, options.now ?? (() => performance.now()))
    this.#warn = redisWarning(options.log, options.warning)
    this.#redis = openRedis(options.redisUrl, { commandTimeoutMs: COMMAND_TIMEOUT_MS, onError: this.#warn })
    this.#redis.defineCommand('musterHit', { lua: HIT, numberOfKeys: 1 })
    this.#redis.defineCommand('musterReserve', { lua: RESERVE, numberOfKeys: 2 })
    this.#redis.defineCommand('musterSettle', { lua: SETTLE, numberOfKeys: 2 })
  }

  /** Counts a hit. @returns how long (ms) the key must wait, 0 if it is within its limit */
  async hit(key: string): Promise<number> {
    const localWaitMs = this.#local.hit(key)
    if (localWaitMs > 0) return localWaitMs
    const { prefix, intervalMs, burst } = this.#options
    const waitMs = await this.#ask(this.#redis.musterHit(prefix + key, intervalMs, burst), 0)
    if (waitMs > 0) this.#local.undo(key)
    return waitMs
  }

  /**
   * Reserves a hit for each of these ids; hits and reservations together never exceed the limit. An unsettled reservation
   * ends after `leaseMs`. @returns how many ids have one, first ones first, and how long (ms) the key must wait if
   * its hits alone have reached the limit
   */
  async reserve(key: string, ids: readonly string[], leaseMs: number): Promise<Reserved> {
    const local = this.#local.reserve(key, ids.length)
    if (local.granted === 0) return local
    const asked = this.#redis.musterReserve(
      ...this.#keysOf(key),
      this.#options.intervalMs,
      this.#options.burst,
      leaseMs,
      ...ids.slice(0, local.granted),
    )
    const [granted, waitMs] = await this.#ask(asked, [local.granted, 0])
    this.#local.settle(key, false, local.granted - granted)
    return { granted, waitMs }
  }

  /** Ends a reservation, and counts its hit or gives it back. */
  async settle(key: string, id: string, counts: boolean): Promise<void> {
    this.#local.settle(key, counts)
    const { intervalMs, burst } = this.#options
    await this.#ask(this.#redis.musterSettle(...this.#keysOf(key), intervalMs, burst, id, counts ? 1 : 0), 0)
  }

  close(): void {
    this.#redis.disconnect()
  }

  #keysOf(key: string): [paid: string, reserved: string] {
    const paid = this.#options.prefix + key
    return [paid, `${paid}:reserved`]
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
