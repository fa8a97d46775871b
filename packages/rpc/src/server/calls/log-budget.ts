import type { Clock, Logger } from '@muster/runtime'

/** Lines in a window, and how long a window lasts. About 400 bytes a line: 170 MB a day at most. */
const LINES = 50
const WINDOW_MS = 10_000

/**
 * Keeps callers from filling the log: so many lines in ten seconds, and then one line that says how many calls were not
 * logged. The metrics count every call.
 */
export class LogBudget {
  readonly #whose: string
  readonly #log: Logger
  readonly #clock: Pick<Clock, 'now'>
  #windowEndsAtMs = 0
  #lines = 0
  #skipped = 0

  /** `whose` says in the log whose calls these are. */
  constructor(whose: string, log: Logger, clock: Pick<Clock, 'now'>) {
    this.#whose = whose
    this.#log = log
    this.#clock = clock
  }

  /** True if one more line may be written now. */
  take(): boolean {
    const nowMs = this.#clock.now().getTime()
    if (nowMs >= this.#windowEndsAtMs) {
      this.#saySkipped()
      this.#windowEndsAtMs = nowMs + WINDOW_MS
      this.#lines = 0
    }
    if (this.#lines >= LINES) {
      this.#skipped += 1
      return false
    }
    this.#lines += 1
    return true
  }

  #saySkipped(): void {
    if (this.#skipped === 0) return
    const skipped = this.#skipped
    this.#skipped = 0
    this.#log.warn({ event: 'calls.not-logged', skipped }, `${this.#whose} were not logged`)
  }
}
