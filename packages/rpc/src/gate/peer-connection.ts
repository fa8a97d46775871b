import type { Socket } from 'node:net'
import type { Handshaker } from './handshake-turns.ts'
import type { MemberPayer, Payer } from './member-budgets.ts'
import type { SourceEntry } from './source-ledger.ts'

/** A connection at the gate, from its first byte to its close. */
export class PeerConnection implements Handshaker {
  readonly source: SourceEntry
  readonly #socket: Socket
  readonly begin: () => void
  /** What is known of the peer. */
  state: 'arriving' | 'stranger' | 'member' = 'arriving'
  /** Pays for its calls and bytes: its source, until it turns out to be a member. */
  payer: Payer | undefined
  /** The node or bot at the other end, once that is known. */
  member: MemberPayer | undefined
  isEndedByUs = false
  /** What its payer was charged for it since the last refund, in milliseconds of CPU. */
  chargedMs = 0
  #chargedBytes = 0

  constructor(socket: Socket, source: SourceEntry, begin: () => void) {
    this.#socket = socket
    this.source = source
    this.payer = source
    this.begin = begin
  }

  /** From the peer, as they came over the network. */
  get bytesRead(): number {
    return this.#socket.bytesRead
  }

  /** The bytes from the peer since the last call of this. */
  takeBytes(): number {
    const bytes = this.bytesRead - this.#chargedBytes
    this.#chargedBytes += bytes
    return bytes
  }

  readonly destroy = (): void => {
    this.isEndedByUs = true
    this.#socket.destroy()
  }
}
