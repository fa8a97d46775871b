import { refusal } from '@muster/domain'
import type { CallContext } from '@muster/rpc'
import type { Clock } from '@muster/runtime'

/** How many attempts of one source may wait. With the pause below, the last one waits less than an agent does. */
const MOST_WAITING = 64
/** The pause after an attempt that failed. A refused attempt costs all services together about 3 ms: 3 % of a core. */
const PAUSE_MS = 100
/** When an attempt that found the lane full may come again. */
const RETRY_AFTER_MS = 2_000

/**
 * Serves the attempts of one source that has too many refusals: one at a time, with a pause after each that fails, first
 * come, first served. Each connection has one attempt waiting at most, so a flood over a few connections leaves
 * places to the neighbours of its sender.
 */
export class SlowLane {
  readonly #clock: Clock
  /** Admits the waiting attempt of each connection; in order of arrival. */
  readonly #waiting = new Map<string, () => void>()
  #isBusy = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Serves an attempt in its turn. @throws TOO_MANY_REFUSED if the lane is full, and every error of `serve` */
  async run<T>(
    { connection, signal }: Pick<CallContext, 'connection' | 'signal'>,
    serve: () => Promise<T>,
  ): Promise<T> {
    if (this.#isBusy) await this.#turn(connection, signal)
    this.#isBusy = true
    let pauseMs = PAUSE_MS
    try {
      const result = await serve()
      pauseMs = 0
      return result
    } finally {
      void this.#next(pauseMs)
    }
  }

  #turn(connection: string, signal: AbortSignal): Promise<void> {
    if (this.#waiting.size >= MOST_WAITING || this.#waiting.has(connection)) throw noPlace()
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(connection)
        reject(signal.reason as Error)
      }
      if (signal.aborted) return leave()
      signal.addEventListener('abort', leave, { once: true })
      this.#waiting.set(connection, () => {
        this.#waiting.delete(connection)
        signal.removeEventListener('abort', leave)
        resolve()
      })
    })
  }

  async #next(pauseMs: number): Promise<void> {
    if (pauseMs > 0) await this.#clock.sleep(pauseMs, new AbortController().signal)
    const [first] = this.#waiting.values()
    if (first === undefined) this.#isBusy = false
    else first()
  }
}

function noPlace(): Error {
  const message = 'too many refused attempts from this address; try again in 2s'
  return refusal('TOO_MANY_REFUSED', message, { retryAfterMs: RETRY_AFTER_MS })
}
