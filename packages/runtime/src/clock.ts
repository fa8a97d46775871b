/** The source of time. Tests pass a clock of their own. */
export interface Clock {
  now(): Date
  /** Milliseconds since some point in the past. Steps of the clock do not change it; how long a machine slept may be missing. */
  elapsedMs(): number
  /** Resolves after `ms`, or rejects with the signal's reason as soon as it aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

// setTimeout fires at once for delays beyond 2^31-1 ms, so a longer sleep is split.
const MAX_TIMER_MS = 2 ** 31 - 1

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => new Date(),
  elapsedMs: () => performance.now(),
  async sleep(ms, signal) {
    let rest = ms
    do {
      const piece = Math.min(rest, MAX_TIMER_MS)
      await timer(piece, signal)
      rest -= piece
    } while (rest > 0)
  },
}

function timer(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timeout)
      reject(abortReason(signal))
    }
    if (signal.aborted) {
      reject(abortReason(signal))
      return
    }
    const timeout = setTimeout(() => {
      signal.removeEventListener('abort', abort)
      resolve()
    }, ms)
    signal.addEventListener('abort', abort, { once: true })
  })
}

function abortReason(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error('aborted')
}
