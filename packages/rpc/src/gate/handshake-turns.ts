import type { GatedConnection, SourceEntry } from './source-ledger.ts'

/** A connection that has a TLS handshake before it. */
export interface Handshaker extends GatedConnection {
  /** Begins the handshake. */
  begin(): void
}

/**
 * Lets a bounded number of handshakes run, in all and per source. The rest wait in the order of their arrival within a
 * source, and the sources take turns, so that a source with thousands of connections delays another by one turn at most.
 */
export class HandshakeTurns {
  readonly #limit: number
  readonly #limitPerSource: number
  readonly #waiting = new Map<SourceEntry, Set<Handshaker>>()
  #running = 0

  constructor({ handshakes, handshakesPerSource }: { handshakes: number; handshakesPerSource: number }) {
    this.#limit = handshakes
    this.#limitPerSource = handshakesPerSource
  }

  /** How many handshakes are under way. */
  get running(): number {
    return this.#running
  }

  /** Begins the handshake at once, or as soon as it has a turn. */
  enter(connection: Handshaker): void {
    if (this.#mayRun(connection.source)) return this.#run(connection)
    const queue = this.#waiting.get(connection.source) ?? new Set()
    this.#waiting.set(connection.source, queue.add(connection))
  }

  /** A handshake has ended, well or not, and the next may begin. */
  leave({ source }: Handshaker): void {
    this.#running -= 1
    source.handshakes -= 1
    this.#next()
  }

  /** Takes a connection out that has not had its turn. */
  withdraw(connection: Handshaker): void {
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
      this.#next()
    }
    setTimeout(resume, forMs).unref()
  }

  #mayRun(source: SourceEntry): boolean {
    return !source.isPaused && this.#running < this.#limit && source.handshakes < this.#limitPerSource
  }

  #run(connection: Handshaker): void {
    this.#running += 1
    connection.source.handshakes += 1
    connection.begin()
  }

  #next(): void {
    for (const [source, queue] of this.#waiting) {
      if (this.#running >= this.#limit) return
      if (!this.#mayRun(source)) continue
      const [connection] = queue
      // To the end of the line, behind the sources that wait.
      this.#waiting.delete(source)
      queue.delete(connection!)
      if (queue.size > 0) this.#waiting.set(source, queue)
      return this.#run(connection!)
    }
  }
}
