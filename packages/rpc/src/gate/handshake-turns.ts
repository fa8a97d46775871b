import type { GatedConnection, SourceEntry } from './source-ledger.ts'

/** A connection that has a TLS handshake before it. */
export interface Handshaker extends GatedConnection {
  /** Begins the handshake. */
  begin(): void
}

/**
 * While others wait, a peer that has said nothing for this long gives its turn to them, and a handshake that has begun does
 * so later: a fleet that returns at once keeps a busy server behind by seconds, and its work must not be thrown away.
 */
const SILENT_TURN_MS = 1_000
const TURN_MS = 5_000

/** How many handshakes may run. */
export interface TurnLimits {
  handshakes: number
  handshakesPerSource: number
  /** Told of each handshake that must give up its turn. */
  onTooSlow(connection: Handshaker): void
}

/**
 * Lets a bounded number of handshakes run, in all and per source. The rest wait in the order of their arrival within a
 * source, and the sources take turns, so that a source with thousands of connections delays another by one turn at most.
 */
export class HandshakeTurns {
  readonly #limits: TurnLimits
  readonly #waiting = new Map<SourceEntry, Set<Handshaker>>()
  /** When each running handshake began, by performance.now(); oldest first. */
  readonly #running = new Map<Handshaker, number>()
  #timer: NodeJS.Timeout | undefined

  constructor(limits: TurnLimits) {
    this.#limits = limits
  }

  /** How many handshakes are under way. */
  get running(): number {
    return this.#running.size
  }

  /** Begins the handshake at once, or as soon as it has a turn. */
  enter(connection: Handshaker): void {
    if (this.#mayRun(connection.source)) return this.#run(connection)
    const queue = this.#waiting.get(connection.source) ?? new Set()
    this.#waiting.set(connection.source, queue.add(connection))
    this.#watchSlow()
  }

  /** Ends the turn of a connection, or its wait for one. Safe to call again. */
  leave(connection: Handshaker): void {
    if (this.#running.delete(connection)) {
      connection.source.handshakes -= 1
      this.#runWaiting()
      return
    }
    const queue = this.#waiting.get(connection.source)
    queue?.delete(connection)
    if (queue?.size === 0) this.#waiting.delete(connection.source)
  }

  /** Lets no handshake of this source begin for a while. Those that wait keep their place. */
  pause(source: SourceEntry, forMs: number): void {
    if (source.isPaused) return
    source.isPaused = true
    const resume = () => {
      source.isPaused = false
      this.#runWaiting()
    }
    setTimeout(resume, forMs).unref()
  }

  /** Stops the timer. */
  close(): void {
    clearTimeout(this.#timer)
  }

  #mayRun(source: SourceEntry): boolean {
    const most = source.isSuspect ? 1 : this.#limits.handshakesPerSource
    return !source.isPaused && source.handshakes < most && this.#running.size < this.#limits.handshakes
  }

  #run(connection: Handshaker): void {
    this.#running.set(connection, performance.now())
    connection.source.handshakes += 1
    connection.begin()
  }

  #runWaiting(): void {
    for (let next = this.#takeNext(); next !== undefined; next = this.#takeNext()) this.#run(next)
  }

  /** The next connection that may run; its source goes behind the other sources that wait. */
  #takeNext(): Handshaker | undefined {
    for (const [source, queue] of this.#waiting) {
      if (!this.#mayRun(source)) continue
      const [connection] = queue
      this.#waiting.delete(source)
      queue.delete(connection!)
      if (queue.size > 0) this.#waiting.set(source, queue)
      return connection
    }
    return undefined
  }

  /** Ends slow handshakes for as long as a source waits for more than its own pause. */
  #watchSlow(): void {
    if (this.#timer !== undefined) return
    const check = () => {
      this.#timer = undefined
      if (![...this.#waiting.keys()].some((source) => !source.isPaused)) return
      const now = performance.now()
      for (const [connection, beganAt] of this.#running) {
        const turnMs = connection.bytesRead === 0 ? SILENT_TURN_MS : TURN_MS
        if (now - beganAt >= turnMs) this.#limits.onTooSlow(connection)
      }
      this.#watchSlow()
    }
    this.#timer = setTimeout(check, SILENT_TURN_MS / 4)
    this.#timer.unref()
  }
}
