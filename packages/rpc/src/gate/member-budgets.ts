import type { TLSSocket } from 'node:tls'
import { parseSpiffeId } from '@muster/domain'
import { CpuBudget } from './cpu-budget.ts'

/** A member may use its share of this time at once. */
const BURST_TIME_MS = 10_000

/** A node needs one connection, and a second while it renews. Programs that share the credentials of a bot may renew at once. */
export const MOST_PER_MEMBER = 128

/** A person who reads a large roll or runs scripts needs more than a machine that beats. */
const SHARES_OF_A_PERSON = 4

/** Who pays for a connection, and the name in the log. */
export interface Payer {
  readonly name: string
  readonly budget: CpuBudget
}

/** A node, a bot or a person who is connected or owes something. */
export interface MemberPayer extends Payer {
  /** Its open connections, oldest first. */
  readonly connections: Set<{ destroy(): void }>
}

/** The CPU budgets of nodes, bots and people. Services have none. */
export class MemberBudgets {
  readonly #share: number
  readonly #payers = new Map<string, MemberPayer>()

  /** `share` of a core is what one node or bot may use. */
  constructor(share: number) {
    this.#share = share
  }

  /** The payer for the connection of a verified peer; undefined for a peer without a budget. */
  payerOf(socket: TLSSocket): MemberPayer | undefined {
    const [name] = /spiffe:[^,\s"]+/.exec(socket.getPeerX509Certificate()?.subjectAltName ?? '') ?? []
    const kind = name === undefined ? undefined : parseSpiffeId(name)?.kind
    if (name === undefined || kind === undefined || kind === 'service') return undefined
    const known = this.#payers.get(name)
    if (known !== undefined) return known
    const share = kind === 'user' ? this.#share * SHARES_OF_A_PERSON : this.#share
    const budget = new CpuBudget(share, share * BURST_TIME_MS)
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
