import { AppError } from '@muster/domain'
import type { Clock } from './clock.ts'

/** When to retry, how long to wait, and when to give up. */
export interface RetryOptions {
  clock: Clock
  signal: AbortSignal
  /** True for a failure that is worth a retry. Other failures are thrown at once. */
  isTransient: (error: unknown) => boolean
  /** No attempt starts after this many milliseconds; Infinity retries forever. */
  giveUpAfterMs?: number
  /** Cap of the first delay; each further cap doubles up to `maxDelayMs`. */
  baseDelayMs?: number
  maxDelayMs?: number
  /** Called with each failure before a retry. */
  onRetry?: (error: unknown, delayMs: number) => void
  random?: () => number
}

/**
 * Runs `action` until it succeeds, fails for good, or the time is over; then throws the last failure.
 * Delays use full jitter (Brooker, "Exponential Backoff and Jitter", AWS 2015): a fleet that lost its server
 * together does not return together. If the server said how long to wait, it waits that long plus the delay.
 * Only for actions that are safe to repeat.
 */
export async function retry<T>(action: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { clock, signal, isTransient, giveUpAfterMs = Number.POSITIVE_INFINITY } = options
  const { baseDelayMs = 200, maxDelayMs = 10_000, random = Math.random } = options
  const startedAt = clock.elapsedMs()
  for (let attempt = 0; ; attempt++) {
    try {
      return await action()
    } catch (error) {
      const toldMs = error instanceof AppError ? (error.retryAfterMs ?? 0) : 0
      const delayMs = toldMs + random() * Math.min(maxDelayMs, baseDelayMs * 2 ** Math.min(attempt, 30))
      const elapsedMs = clock.elapsedMs() - startedAt
      if (signal.aborted || !isTransient(error) || elapsedMs + delayMs > giveUpAfterMs) throw error
      options.onRetry?.(error, delayMs)
      await clock.sleep(delayMs, signal)
    }
  }
}
