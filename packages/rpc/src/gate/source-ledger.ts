/** A connection as the gate sees it. */
export interface GatedConnection {
  readonly source: SourceEntry
  /** Ends it at once, without a word to the peer. */
  destroy(): void
}

/** What the gate knows of one source: an IPv4 address or an IPv6 network of 64 bits. */
export interface SourceEntry {
  readonly name: string
  /** Open connections, handshakes included. */
  connections: number
  /** Open connections whose peer has a certificate that verifies. */
  members: number
  /** Open connections whose peer showed no certificate that verifies, oldest first. */
  readonly strangers: Set<GatedConnection>
  /** TLS handshakes under way. */
  handshakes: number
  /** No handshake of this source begins while this is set. */
  isPaused: boolean
  /** Certificates that did not verify since `badSinceMs`. */
  badCertificates: number
  /** Times are milliseconds on the gate's clock. */
  badSinceMs: number
  /** Connections are refused until then. */
  barredUntilMs: number
}

/** Records of sources without an open connection are kept until there are this many. */
const MAX_ENTRIES = 20_000

/** The records of all sources. Bounded: the oldest record without a connection goes first. */
export class SourceLedger {
  readonly #entries = new Map<string, SourceEntry>()

  /** The record of a source, created when there is none. */
  entryOf(name: string): SourceEntry {
    const known = this.#entries.get(name)
    if (known !== undefined) return known
    if (this.#entries.size >= MAX_ENTRIES) this.#dropOldestIdle()
    const entry: SourceEntry = {
      name,
      connections: 0,
      members: 0,
      strangers: new Set(),
      handshakes: 0,
      isPaused: false,
      badCertificates: 0,
      badSinceMs: 0,
      barredUntilMs: 0,
    }
    this.#entries.set(name, entry)
    return entry
  }

  /** Forgets a source that has nothing open and nothing held against it. */
  settle(entry: SourceEntry): void {
    if (entry.connections === 0 && entry.badCertificates === 0) this.#entries.delete(entry.name)
  }

  /** The source with the most connections of strangers; undefined when there are none. */
  busiestStranger(): SourceEntry | undefined {
    let most: SourceEntry | undefined
    for (const entry of this.#entries.values()) {
      if (entry.strangers.size > (most?.strangers.size ?? 0)) most = entry
    }
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
