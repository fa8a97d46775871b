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
/** Budgets are asked again, and running handshakes looked at, this often while connections wait. */
const TICK_MS = 50
/**
 * A handshake without a new byte in this many looks gives its turn to a source that waits and has none. Looks are counted, not
 * time: a server that is behind by seconds reads what peers have sent before its next look.
 */
const STALLED_LOOKS = 6

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
 * The rest wait in the order of their arrival within a source. Sources with members are next, then sources without a turn, then the
 * one that owes least. Equal sources take turns: a source with thousands of connections delays another by one turn at most. Each handshake is
 * charged when it begins, since only its end tells whether the peer is a member. Sources with members do not wait for the
 * budget of all strangers, which a flood from many sources uses up.
 */
export class HandshakeTurns {
  readonly #limits: TurnLimits
  readonly #waiting = new Map<SourceEntry, Set<Handshaker>>()
  readonly #waitingWithMembers = new Set<SourceEntry>()
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

  /** How many connections of this source wait for a turn. */
  waitingOf(source: SourceEntry): number {
    return this.#waiting.get(source)?.size ?? 0
  }

  /** Begins the handshake at once, or as soon as it has a turn. */
  enter(connection: Handshaker): void {
    const queue = this.#waiting.get(connection.source) ?? new Set()
    this.#wait(connection.source, queue.add(connection))
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
    if (queue?.size === 0) this.#stopWaiting(connection.source)
  }

  /** Stops the timer. */
  close(): void {
    clearTimeout(this.#timer)
  }

  #mayRun(source: SourceEntry): boolean {
    const { handshakes, handshakesPerSource, budget } = this.#limits
    if (this.#running.size >= handshakes || source.handshakes >= handshakesPerSource) return false
    return !source.budget.isOver && (source.members > 0 || !budget.isOver)
  }

  #run(connection: Handshaker): void {
    const turn = { beganAt: performance.now(), bytesSeen: 0, looksWithoutByte: 0, isEnded: false }
    this.#running.set(connection, turn)
    connection.source.handshakes += 1
    connection.source.budget.charge(COST_MS.handshake)
    this.#limits.budget.charge(COST_MS.strangerHandshake)
    connection.begin()
  }

  #runWaiting(): void {
    for (let next = this.#takeNext(); next !== undefined; next = this.#takeNext()) this.#run(next)
  }

  /** The next connection that may run; its source goes behind the other sources that wait. */
  #takeNext(): Handshaker | undefined {
    const source = this.#nextSource()
    if (source === undefined) return undefined
    const queue = this.#waiting.get(source)!
    const [connection] = queue
    this.#stopWaiting(source)
    queue.delete(connection!)
    if (queue.size > 0) this.#wait(source, queue)
    return connection
  }

  #nextSource(): SourceEntry | undefined {
    for (const source of this.#waitingWithMembers) if (this.#mayRun(source)) return source
    let least: SourceEntry | undefined
    for (const source of this.#waiting.keys()) {
      if (!this.#mayRun(source)) continue
      if (least === undefined || isBefore(source, least)) least = source
      if (least.handshakes === 0 && least.budget.owedMs === 0) break
    }
    return least
  }

  #wait(source: SourceEntry, queue: Set<Handshaker>): void {
    this.#waiting.set(source, queue)
    if (source.members > 0) this.#waitingWithMembers.add(source)
  }

  #stopWaiting(source: SourceEntry): void {
    this.#waiting.delete(source)
    this.#waitingWithMembers.delete(source)
  }

  /** While connections wait: runs those whose budget allows it by now, and ends slow handshakes that others wait for. */
  #watch(): void {
    if (this.#timer !== undefined) return
    const check = () => {
      this.#timer = undefined
      this.#runWaiting()
      if (this.#waiting.size === 0) return
      const able = [...this.#waiting.keys()].filter(({ budget }) => !budget.isOver)
      if (able.length > 0) this.#endSlow()
      this.#endStalled(able.filter(({ handshakes }) => handshakes === 0).length)
      this.#watch()
    }
    this.#timer = setTimeout(check, TICK_MS)
    this.#timer.unref()
  }

  #endSlow(): void {
    const now = performance.now()
    for (const [connection, turn] of this.#running) {
      const { bytesRead } = connection
      turn.looksWithoutByte = bytesRead === turn.bytesSeen ? turn.looksWithoutByte + 1 : 0
      turn.bytesSeen = bytesRead
      if (now - turn.beganAt >= TURN_MS) this.#end(connection, turn)
    }
  }

  /** When all turns are taken, ends as many stalled handshakes as there are sources without one, those of the busiest first. */
  #endStalled(sourcesWithout: number): void {
    if (sourcesWithout === 0 || this.#running.size < this.#limits.handshakes) return
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

/** Sources without a turn are before others, then those that owe less. */
function isBefore(a: SourceEntry, b: SourceEntry): boolean {
  const [hasNone, otherHasNone] = [a.handshakes === 0, b.handshakes === 0]
  return hasNone === otherHasNone ? a.budget.owedMs < b.budget.owedMs : hasNone
}
