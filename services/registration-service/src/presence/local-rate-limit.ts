/** How many keys are known. The oldest is forgotten first. */
const MOST_KEYS = 16_384

interface Entry {
  /** Until when hits are paid for; see rate-limit-scripts.ts. */
  paidUntilMs: number
  reserved: number
}

/** What is limited, and to how much. */
export interface Rate {
  /** How many hits may come at once. */
  burst: number
  /** After those, one hit in this time. */
  intervalMs: number
}

/** The answer to a request for reservations. */
export interface Reserved {
  granted: number
  waitMs: number
}

/** The same rate limit as in Redis, for the hits that this replica knows of. It holds whatever Redis does. */
export class LocalRateLimit {
  readonly #rate: Rate
  readonly #now: () => number
  readonly #entries = new Map<string, Entry>()

  /** `now` gives milliseconds that never go back. */
  constructor(rate: Rate, now: () => number) {
    this.#rate = rate
    this.#now = now
  }

  /** Counts a hit. @returns how long (ms) the key must wait, 0 if it is within its limit */
  hit(key: string): number {
    const entry = this.#entryOf(key)
    const waitMs = this.#waitMs(entry)
    if (waitMs > 0) return waitMs
    this.#count(entry)
    return 0
  }

  /** Takes a counted hit back. */
  undo(key: string): void {
    const entry = this.#entries.get(key)
    if (entry !== undefined) entry.paidUntilMs -= this.#rate.intervalMs
    this.#forgetIfUnused(key)
  }

  /** Reserves up to `count` hits. Each one that is granted must be settled. */
  reserve(key: string, count: number): Reserved {
    const entry = this.#entryOf(key)
    const waitMs = this.#waitMs(entry)
    if (waitMs > 0) return { granted: 0, waitMs }
    // Intervals that are no whole number of milliseconds must not cost a hit by rounding.
    const free = Math.floor(1.001 - this.#rawWaitMs(entry) / this.#rate.intervalMs) - entry.reserved
    const granted = Math.max(Math.min(free, count), 0)
    entry.reserved += granted
    return { granted, waitMs: 0 }
  }

  /** Ends `count` reservations, and counts a hit for each or gives it back. */
  settle(key: string, counts: boolean, count = 1): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    entry.reserved = Math.max(entry.reserved - count, 0)
    if (counts && this.#waitMs(entry) === 0) this.#count(entry)
    this.#forgetIfUnused(key)
  }

  #entryOf(key: string): Entry {
    const known = this.#entries.get(key)
    if (known !== undefined) return known
    if (this.#entries.size >= MOST_KEYS) this.#entries.delete(this.#entries.keys().next().value!)
    const entry = { paidUntilMs: 0, reserved: 0 }
    this.#entries.set(key, entry)
    return entry
  }

  #count(entry: Entry): void {
    entry.paidUntilMs = Math.max(entry.paidUntilMs, this.#now()) + this.#rate.intervalMs
  }

  #waitMs(entry: Entry): number {
    return Math.max(Math.ceil(this.#rawWaitMs(entry)), 0)
  }

  /** Negative while hits are left. */
  #rawWaitMs({ paidUntilMs }: Entry): number {
    const { burst, intervalMs } = this.#rate
    return Math.max(paidUntilMs - this.#now(), 0) + intervalMs - burst * intervalMs
  }

  #forgetIfUnused(key: string): void {
    const entry = this.#entries.get(key)
    if (entry?.reserved === 0 && entry.paidUntilMs <= this.#now()) this.#entries.delete(key)
  }
}
