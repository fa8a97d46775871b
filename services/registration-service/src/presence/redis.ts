import type { Logger } from '@muster/runtime'
import { Redis } from 'ioredis'

const WARN_EVERY_MS = 10_000

/** How a connection to Redis behaves. */
export interface RedisConnectionOptions {
  commandTimeoutMs: number
  onError(error: Error): void
  /** Whether the connection subscribes to its channels again after a reconnection. */
  autoResubscribe?: boolean
}

/**
 * Opens a connection that never waits for a Redis that is away: a command fails at once while there is no connection, and
 * after `commandTimeoutMs` without an answer.
 */
export function openRedis(url: string, options: RedisConnectionOptions): Redis {
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 2_000,
    // No answer is waited for after a disconnection. For a lost connection ioredis waits out this time (2 s by default).
    disconnectTimeout: 100,
    commandTimeout: options.commandTimeoutMs,
    autoResubscribe: options.autoResubscribe ?? true,
    retryStrategy: (tries) => Math.min(100 * tries, 1_000),
  })
  redis.on('error', options.onError)
  return redis
}

/** Returns a function that logs that Redis is away, at most every ten seconds: otherwise each command would log a line. */
export function redisWarning(log: Logger, message: string): (error: unknown) => void {
  let lastAt = Number.NEGATIVE_INFINITY
  return (error) => {
    const now = performance.now()
    if (now - lastAt < WARN_EVERY_MS) return
    lastAt = now
    log.warn({ err: error }, message)
  }
}
