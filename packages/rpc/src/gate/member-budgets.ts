import type { TLSSocket } from 'node:tls'
import { parseSpiffeId } from '@muster/domain'
import { CpuBudget } from './cpu-budget.ts'

/** A member may use its share of this time at once. */
const BURST_TIME_MS = 10_000

/** Who pays for a connection, and the name in the log. */
export interface Payer {
  readonly name: string
  readonly budget: CpuBudget
}

/** A node or a bot that is connected or owes something. */
export interface MemberPayer extends Payer {
  /** Its open connections, oldest first. */
  readonly connections: Set<{ destroy(): void }>
}

/** The CPU budgets of nodes and bots. Services and people have none: they are trusted with more work. */
export class MemberBudgets {
  readonly #share: number
  readonly #payers = new Map<string, MemberPayer>()

  /** `share` of a core is what one member may use. */
  constructor(share: number) {
    this.#share = share
  }

  /** The payer for the connection of a verified peer; undefined for a peer without a budget. */
  payerOf(socket: TLSSocket): MemberPayer | undefined {
    const [name] = /spiffe:[^,\s"]+/.exec(socket.getPeerX509Certificate()?.subjectAltName ?? '') ?? []
    const kind = name === undefined ? undefined : parseSpiffeId(name)?.kind
    if (name === undefined || (kind !== 'node' && kind !== 'bot')) return undefined
    const known = this.#payers.get(name)
    if (known !== undefined) return known
    const budget = new CpuBudget(this.#share, this.#share * BURST_TIME_MS)
    const payer = { name, budget, connections: new Set<{ destroy(): void }>() }
    this.#payers.set(name, payer)
    return payer
  }

  /** Forgets members that have no connection and owe nothing. */
  sweep(): void {
    for (const [name, { budget, connections }] of this.#payers) {
      if (connections.size === 0 && budget.owedMs === 0) this.#payers.delete(name)
    }
  }
}
