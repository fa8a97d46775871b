import { COST_MS, type CpuBudget } from './cpu-budget.ts'
import type { GatedConnection, SourceEntry } from './source-ledger.ts'

/** A connection that has a TLS handshake before it. */
export interface Handshaker extends GatedConnection {
  /** Begins the handshake. */
  begin(): void
}

/**
 * While others wait, a handshake ends after this long. A fleet that returns at once keeps a busy server behind by seconds,
 * and the work for it must not be thrown away.
 */
const TURN_MS = 4_000
/** Budgets are asked again this often while connections wait. */
const TICK_MS = 50

/** How many handshakes may run. */
export interface TurnLimits {
  handshakes: number
  handshakesPerSource: number
  /** The CPU time that the handshakes of all strangers may use. */
  budget: CpuBudget
  /** Told of each handshake that must give up its turn. */
  onTooSlow(connection: Handshaker): void
}

/**
 * Lets a bounded number of handshakes run, in all and per source, within the CPU budgets of the source and of all strangers together.
 * The rest wait in the order of their arrival within a source. The source that owes least is next, and equal sources take
 * turns: a source with thousands of connections delays another by one turn at most. Each handshake is charged when it begins,
 * since only its end tells whether the peer is a member.
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

  /** How many connections of this source wait for a turn. */
  waitingOf(source: SourceEntry): number {
    return this.#waiting.get(source)?.size ?? 0
  }

  /** Begins the handshake at once, or as soon as it has a turn. */
  enter(connection: Handshaker): void {
    const queue = this.#waiting.get(connection.source) ?? new Set()
    this.#waiting.set(connection.source, queue.add(connection))
    this.#runWaiting()
    if (this.#waiting.size > 0) this.#watch()
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

  /** Stops the timer. */
  close(): void {
    clearTimeout(this.#timer)
  }

  #mayRun(source: SourceEntry): boolean {
    const { handshakes, handshakesPerSource, budget } = this.#limits
    if (this.#running.size >= handshakes || source.handshakes >= handshakesPerSource) return false
    return !source.budget.isOver && !budget.isOver
  }

  #run(connection: Handshaker): void {
    this.#running.set(connection, performance.now())
    connection.source.handshakes += 1
    connection.source.budget.charge(COST_MS.handshake)
    this.#limits.budget.charge(COST_MS.handshake)
    connection.begin()
  }

  #runWaiting(): void {
    for (let next = this.#takeNext(); next !== undefined; next = this.#takeNext()) this.#run(next)
  }

  /** The next connection that may run; its source goes behind the other sources that wait. */
  #takeNext(): Handshaker | undefined {
    let least: SourceEntry | undefined
    for (const source of this.#waiting.keys()) {
      if (!this.#mayRun(source)) continue
      if (least === undefined || source.budget.owedMs < least.budget.owedMs) least = source
      if (least.budget.owedMs === 0) break
    }
    if (least === undefined) return undefined
    const queue = this.#waiting.get(least)!
    const [connection] = queue
    this.#waiting.delete(least)
    queue.delete(connection!)
    if (queue.size > 0) this.#waiting.set(least, queue)
    return connection
  }

  /** While connections wait: runs those whose budget allows it by now, and ends slow handshakes that others wait for. */
  #watch(): void {
    if (this.#timer !== undefined) return
    const check = () => {
      this.#timer = undefined
      this.#runWaiting()
      if (this.#waiting.size === 0) return
      if ([...this.#waiting.keys()].some(({ budget }) => !budget.isOver)) this.#endSlow()
      this.#watch()
    }
    this.#timer = setTimeout(check, TICK_MS)
    this.#timer.unref()
  }

  #endSlow(): void {
    const now = performance.now()
    for (const [connection, beganAt] of this.#running) {
      // Oldest first, so no later one is slow either.
      if (now - beganAt < TURN_MS) return
      this.#limits.onTooSlow(connection)
    }
  }
}
