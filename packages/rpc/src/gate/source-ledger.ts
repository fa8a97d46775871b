import { CpuBudget } from './cpu-budget.ts'

/** A connection as the gate sees it. */
export interface GatedConnection {
  readonly source: SourceEntry
  /** From the peer, as they came over the network. */
  readonly bytesRead: number
  /** Ends it at once, without an answer to the peer. */
  destroy(): void
}

/** What the gate knows of one source: an IPv4 address or an IPv6 network of 64 bits. */
export interface SourceEntry {
  readonly name: string
  /** A balancer by itself: it is never barred, since all peers come through it. */
  readonly isBalancer: boolean
  /** Open connections, handshakes included. */
  connections: number
  /** Open connections whose peer has a certificate that verifies. */
  members: number
  /** Open connections before the end of their handshake, oldest first. */
  readonly arriving: Set<GatedConnection>
  /** Open connections whose peer showed no certificate that verifies, oldest first. */
  readonly strangers: Set<GatedConnection>
  /** TLS handshakes under way. */
  handshakes: number
  /** The CPU time that its strangers may use. */
  readonly budget: CpuBudget
  /** Certificates that did not verify since `badSinceMs`. */
  badCertificates: number
  /** Times are milliseconds on the gate's clock. */
  badSinceMs: number
  /** Connections are refused until then. */
  barredUntilMs: number
}

/** A source may use its share of this time at once. */
const BURST_TIME_MS = 10_000

/** Records of sources without an open connection are kept until there are this many. */
const MAX_ENTRIES = 20_000

/** The records of all sources. Bounded: the oldest record without a connection goes first. */
export class SourceLedger {
  readonly #entries = new Map<string, SourceEntry>()
  readonly #share: number

  /** `share` of a core is what the strangers of one source may use. */
  constructor(share: number) {
    this.#share = share
  }

  /** The record of a source, created when there is none. */
  entryOf(name: string, isBalancer = false): SourceEntry {
    const known = this.#entries.get(name)
    if (known !== undefined) return known
    if (this.#entries.size >= MAX_ENTRIES) this.#dropOldestIdle()
    const entry: SourceEntry = {
      name,
      isBalancer,
      connections: 0,
      members: 0,
      arriving: new Set(),
      strangers: new Set(),
      handshakes: 0,
      budget: new CpuBudget(this.#share, this.#share * BURST_TIME_MS),
      badCertificates: 0,
      badSinceMs: 0,
      barredUntilMs: 0,
    }
    this.#entries.set(name, entry)
    return entry
  }

  /** Forgets the sources that have nothing open and nothing held against them. */
  sweep(): void {
    for (const entry of this.#entries.values()) this.settle(entry)
  }

  /** Forgets a source without open connections, bad certificates and bars. */
  settle(entry: SourceEntry): void {
    if (entry.connections > 0 || entry.badCertificates > 0 || entry.budget.owedMs > 0) return
    this.#entries.delete(entry.name)
  }

  /** The source with the most connections that no certificate vouches for; undefined when there are none. */
  busiest(): SourceEntry | undefined {
    let most: SourceEntry | undefined
    for (const entry of this.#entries.values()) if (unproven(entry) > unproven(most)) most = entry
    return most
  }

  #dropOldestIdle(): void {
    for (const [name, entry] of this.#entries) {
      if (entry.connections > 0) continue
      this.#entries.delete(name)
      return
    }
  }
}

function unproven(entry: SourceEntry | undefined): number {
  return entry === undefined ? 0 : entry.arriving.size + entry.strangers.size
}
