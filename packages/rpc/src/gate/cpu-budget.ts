/** The cost of the work that strangers, nodes and bots cause, in milliseconds of CPU: measured on a 2-core server, rounded up. */
export const COST_MS = {
  /** A read that leaves the first record of TLS incomplete. */
  partialRead: 0.02,
  /** A TLS handshake, from accept to close. */
  handshake: 2.5,
  /** A handshake without a certificate: what a flood from many sources is made of. */
  strangerHandshake: 0.6,
  /** A handshake with a certificate that does not verify. */
  badCertificate: 30,
  /** A handshake with a chain of up to 100 KiB. */
  oversizedChain: 500,
  /** A call without its messages: the dearest one is a heartbeat stream, whose hello is written to Postgres. */
  call: 1.1,
  /** A value of binary metadata: grpc-js splits it at commas, and by HPACK a few bytes on the wire repeat thousands of them. */
  metadataValue: 0.001,
  /** An attempt to join or to sign up, in all services that it reaches. */
  attempt: 3,
  message: 0.2,
  /** A KiB of TLS key updates, which cost more than any frames of HTTP/2. */
  kibibyte: 0.8,
  /** A MiB that a server sends: read from a file, encrypted, written. */
  sentMebibyte: 2.5,
} as const

/** A debt is at most the share of this time, so that a source is usable again minutes after a flood. */
const LONGEST_DEBT_MS = 5 * 60_000

/**
 * The CPU time that a peer, a source, or all strangers together may use: `share` of a core on average, and `burstMs` at once.
 * A leaky bucket: a charge adds to a debt, and the share pays it back.
 */
export class CpuBudget {
  readonly #share: number
  readonly #burstMs: number
  readonly #now: () => number
  #owedMs = 0
  #atMs: number

  /** `share` is 1 for a whole core. `now` gives milliseconds that never go back. */
  constructor(share: number, burstMs: number, now: () => number = () => performance.now()) {
    this.#share = share
    this.#burstMs = burstMs
    this.#now = now
    this.#atMs = now()
  }

  /** The debt, in milliseconds of CPU. */
  get owedMs(): number {
    const nowMs = this.#now()
    this.#owedMs = Math.max(0, this.#owedMs - (nowMs - this.#atMs) * this.#share)
    this.#atMs = nowMs
    return this.#owedMs
  }

  /** Whether new work must wait. */
  get isOver(): boolean {
    return this.owedMs > this.#burstMs
  }

  /** How long work that can pause must wait, in milliseconds. It leaves half of the burst for handshakes and calls. */
  get pauseMs(): number {
    return Math.max(0, (this.owedMs - this.#burstMs / 2) / this.#share)
  }

  /** Whether work in progress must end. The gap to `isOver` lets a newcomer finish beside a flood of handshakes from its source. */
  get isFarOver(): boolean {
    return this.owedMs > 3 * this.#burstMs
  }

  charge(ms: number): void {
    this.#owedMs = Math.min(this.owedMs + ms, this.#share * LONGEST_DEBT_MS + this.#burstMs)
  }

  /** Takes a charge back. */
  refund(ms: number): void {
    this.#owedMs = Math.max(0, this.owedMs - ms)
  }
}
