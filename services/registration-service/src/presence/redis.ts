import type { Logger } from '@muster/runtime'
import { Redis } from 'ioredis'

const WARN_EVERY_MS = 10_000

/** How a connection to Redis behaves. */
export interface RedisConnectionOptions {
  commandTimeoutMs: number
  onError(error: Error): void
  /** Whether channels are listened to again after a reconnection. */
  autoResubscribe?: boolean
}

/**
 * A connection on which nobody waits for a Redis that is away: a command fails at once while there is no connection, and
 * after `commandTimeoutMs` when there is no answer.
 */
export function openRedis(url: string, options: RedisConnectionOptions): Redis {
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 2_000,
    commandTimeout: options.commandTimeoutMs,
    autoResubscribe: options.autoResubscribe ?? true,
    retryStrategy: (tries) => Math.min(100 * tries, 1_000),
  })
  redis.on('error', options.onError)
  return redis
}

/** Says in the log that Redis is away and what that means: every ten seconds, or it would be a line for each command. */
export function redisWarning(log: Logger, message: string): (error: unknown) => void {
  let lastAt = Number.NEGATIVE_INFINITY
  return (error) => {
    const now = performance.now()
    if (now - lastAt < WARN_EVERY_MS) return
    lastAt = now
    log.warn({ err: error }, message)
  }
}
