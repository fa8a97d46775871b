import type { Clock } from '@muster/runtime'
import { COST_MS } from './cpu-budget.ts'
import type { GateEvent, GateReport } from './gate-report.ts'
import type { HandshakeTurns } from './handshake-turns.ts'
import type { GateLimits } from './limits.ts'
import type { GatedConnection, SourceEntry, SourceLedger } from './source-ledger.ts'

/** A client of ours sends about 2.5 KiB for a handshake. A handshake that fails after more was made to be expensive. */
export const MOST_OF_OURS_BYTES = 4 * 1024
/** How many connections of a source over its budget may wait for a handshake. */
export const MOST_WAITING_OVER_BUDGET = 256
/** A chain of this size costs half a second of CPU; its source is barred at once. */
const OVERSIZED_BYTES = 12 * 1024

/** What the rules look at. */
export interface SourceRulesParts {
  limits: GateLimits
  ledger: SourceLedger
  turns: HandshakeTurns
  report: GateReport
  clock: Clock
}

/** Which sources may open a connection, and which connections end to make room or because their source misbehaves. */
export class SourceRules {
  readonly #parts: SourceRulesParts
  readonly #limits: GateLimits
  readonly #report: GateReport

  constructor(parts: SourceRulesParts) {
    this.#parts = parts
    this.#limits = parts.limits
    this.#report = parts.report
  }

  /** Why this source may not open a connection now; undefined if it may. */
  refusal(source: SourceEntry): GateEvent | undefined {
    const nowMs = this.#nowMs()
    if (source.barredUntilMs > nowMs) return 'barred'
    if (nowMs - source.badSinceMs > this.#limits.barMs) source.badCertificates = 0
    if (source.connections >= this.#limits.connectionsPerSource) return 'source-full'
    if (source.budget.isOver && this.#parts.turns.waitingOf(source) >= MOST_WAITING_OVER_BUDGET) return 'over-budget'
    if (source.strangers.size >= this.#limits.strangersPerSource) this.#evict(source.strangers, source)
    return undefined
  }

  /** Ends an unproven connection when all places are taken. @returns why that cannot be; undefined when there is room */
  makeRoom(open: number): GateEvent | undefined {
    if (open < this.#limits.connections) return undefined
    const busiest = this.#parts.ledger.busiest()
    if (busiest === undefined) return 'full'
    // A peer that says nothing goes first, then idle strangers, and a handshake that makes progress last.
    const [oldest] = busiest.arriving
    const isSilent = oldest?.bytesRead === 0
    this.#evict(isSilent || busiest.strangers.size === 0 ? busiest.arriving : busiest.strangers, busiest)
    return undefined
  }

  #evict(connections: Set<GatedConnection>, source: SourceEntry): void {
    const [oldest] = connections
    if (oldest === undefined) return
    connections.delete(oldest)
    this.#report.refused('evicted', source.name)
    oldest.destroy()
  }

  /**
   * Counts a certificate that does not verify. A source that shows too many loses all connections that no certificate
   * vouches for. It is barred, unless members are connected from it: they would be shut out with the stranger, so then
   * its budget alone limits it.
   */
  countBad(source: SourceEntry, bytesRead: number): void {
    const nowMs = this.#nowMs()
    if (source.barredUntilMs > nowMs) return
    if (source.badCertificates === 0) source.badSinceMs = nowMs
    source.badCertificates += 1
    const isOversized = bytesRead > OVERSIZED_BYTES
    source.budget.charge(isOversized ? COST_MS.oversizedChain : COST_MS.badCertificate)
    if (source.isBalancer || (!isOversized && source.badCertificates <= this.#limits.badCertificates)) return
    if (source.members === 0) source.barredUntilMs = nowMs + this.#limits.barMs
    this.#report.refused('bad-certificates', source.name)
    for (const connection of [...source.arriving, ...source.strangers]) connection.destroy()
  }

  #nowMs(): number {
    return this.#parts.clock.now().getTime()
  }
}
