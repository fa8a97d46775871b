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

/** While others wait, running handshakes are looked at this often. */
const LOOK_EVERY_MS = 100
/**
 * A handshake without a new byte in this many looks gives its turn to a source that waits and has none. Looks are counted, not
 * time: a server that is behind by seconds reads what peers have sent before its next look.
 */
const STALLED_LOOKS = 3

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
  /** Oldest first. */
  readonly #running = new Map<Handshaker, Turn>()
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
    const turn = { beganAt: performance.now(), bytesSeen: 0, looksWithoutByte: 0, isEnded: false }
    this.#running.set(connection, turn)
    connection.source.handshakes += 1
    connection.begin()
  }

  #runWaiting(): void {
    for (let next = this.#takeNext(); next !== undefined; next = this.#takeNext()) this.#run(next)
  }

  /** The next connection that may run, of a source without a turn if there is one. Its source goes behind the others. */
  #takeNext(): Handshaker | undefined {
    let next: SourceEntry | undefined
    for (const source of this.#waiting.keys()) {
      if (!this.#mayRun(source)) continue
      next ??= source
      if (source.handshakes > 0) continue
      next = source
      break
    }
    if (next === undefined) return undefined
    const queue = this.#waiting.get(next)!
    const [connection] = queue
    this.#waiting.delete(next)
    queue.delete(connection!)
    if (queue.size > 0) this.#waiting.set(next, queue)
    return connection
  }

  /** Ends slow handshakes for as long as a source waits for more than its own pause. */
  #watchSlow(): void {
    if (this.#timer !== undefined) return
    const look = () => {
      this.#timer = undefined
      const waiting = [...this.#waiting.keys()].filter((source) => !source.isPaused)
      if (waiting.length === 0) return
      this.#endSlow()
      this.#endStalled(waiting.filter((source) => source.handshakes === 0).length)
      this.#watchSlow()
    }
    this.#timer = setTimeout(look, LOOK_EVERY_MS)
    this.#timer.unref()
  }

  #endSlow(): void {
    const now = performance.now()
    for (const [connection, turn] of this.#running) {
      const { bytesRead } = connection
      turn.looksWithoutByte = bytesRead === turn.bytesSeen ? turn.looksWithoutByte + 1 : 0
      turn.bytesSeen = bytesRead
      if (now - turn.beganAt >= (bytesRead === 0 ? SILENT_TURN_MS : TURN_MS)) this.#end(connection, turn)
    }
  }

  /** Ends as many stalled handshakes as there are sources without one, those of the busiest source first. */
  #endStalled(sourcesWithout: number): void {
    if (sourcesWithout === 0) return
    const stalled = [...this.#running].filter(([, turn]) => turn.looksWithoutByte >= STALLED_LOOKS && !turn.isEnded)
    stalled.sort(([a], [b]) => b.source.handshakes - a.source.handshakes)
    for (const [connection, turn] of stalled.slice(0, sourcesWithout)) this.#end(connection, turn)
  }

  #end(connection: Handshaker, turn: Turn): void {
    turn.isEnded = true
    this.#limits.onTooSlow(connection)
  }
}

/** How a running handshake comes along. */
interface Turn {
  /** By performance.now(). */
  beganAt: number
  bytesSeen: number
  looksWithoutByte: number
  /** It is told to end; its close is on its way. */
  isEnded: boolean
}
