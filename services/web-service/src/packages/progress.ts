/** A reader is slow when it takes less than this for as long as this. Then it makes room where others wait. */
const LEAST_BYTES_PER_SECOND = 16 * 1_024
const WINDOW_MS = 20_000
/** A download as young as this has no rate yet. */
const YOUNG_MS = 1_000

interface Window {
  startMs: number
  bytes: number
}

/** How fast the reader of a download takes it. The time in which the server itself pauses does not count. */
export class Progress {
  readonly #now: () => number
  readonly #startMs: number
  #pausedMs = 0
  #pausedSinceMs: number | undefined
  /** The window before the current one, and the current one, by the time without pauses. */
  #before: Window = { startMs: 0, bytes: 0 }
  #current: Window = { startMs: 0, bytes: 0 }
  #movedAtMs = 0

  constructor(now: () => number) {
    this.#now = now
    this.#startMs = now()
  }

  /** The reader has taken so many bytes. */
  moved(bytes: number): void {
    const atMs = this.#activeMs
    if (atMs - this.#current.startMs >= WINDOW_MS) {
      this.#before = this.#current
      this.#current = { startMs: this.#movedAtMs, bytes: 0 }
    }
    this.#current.bytes += bytes
    this.#movedAtMs = atMs
  }

  /** The server sends nothing until `resume`. Safe to repeat. */
  pause(): void {
    this.#pausedSinceMs ??= this.#now()
  }

  /** The server sends again. Safe to repeat. */
  resume(): void {
    if (this.#pausedSinceMs === undefined) return
    this.#pausedMs += this.#now() - this.#pausedSinceMs
    this.#pausedSinceMs = undefined
  }

  get bytesPerSecond(): number {
    const activeMs = this.#activeMs
    if (activeMs < YOUNG_MS) return Number.POSITIVE_INFINITY
    const bytes = this.#current.bytes + this.#before.bytes
    return (bytes * 1_000) / (activeMs - this.#before.startMs)
  }

  get isSlow(): boolean {
    const activeMs = this.#activeMs
    if (activeMs - this.#movedAtMs >= WINDOW_MS) return true
    return activeMs - this.#before.startMs >= WINDOW_MS && this.bytesPerSecond < LEAST_BYTES_PER_SECOND
  }

  get #activeMs(): number {
    return (this.#pausedSinceMs ?? this.#now()) - this.#startMs - this.#pausedMs
  }
}
