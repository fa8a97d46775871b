import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Handshaker } from './handshake-turns.ts'
import type { MemberPayer, Payer } from './member-budgets.ts'
import type { ProxyHeader } from './proxy-protocol/proxy-header.ts'
import type { SourceEntry } from './source-ledger.ts'

let lastNumber = 65_535

/** A connection at the gate, from its first byte to its close. */
export class PeerConnection implements Handshaker {
  source: SourceEntry
  readonly #socket: Socket
  /** `address:port` of the peer, which a TLS socket, the socket below it and grpc-js share. */
  name: string
  readonly begin: () => void
  /** What is known of the peer. */
  state: 'arriving' | 'stranger' | 'member' = 'arriving'
  /** Pays for its calls and bytes: its source, until it turns out to be a member. */
  payer: Payer | undefined
  /** The node, bot or person at the other end, once that is known. */
  member: MemberPayer | undefined
  isEndedByUs = false
  /** What its payer was charged for it since the last refund, in milliseconds of CPU. */
  chargedMs = 0
  #chargedBytes = 0
  #headerBytes = 0
  /** The peer's address by the word of a balancer. */
  #vouchedFor: string | undefined

  constructor(socket: Socket, source: SourceEntry, begin: () => void) {
    this.#socket = socket
    this.name = `${socket.remoteAddress}:${socket.remotePort}`
    this.source = source
    this.begin = begin
    this.enter(source)
  }

  /** Counts the connection for a source, which pays for it from now on. */
  enter(source: SourceEntry): void {
    this.source = source
    this.payer = source
    source.connections += 1
    source.arriving.add(this)
  }

  /** Its source no longer counts it. */
  leave(): void {
    this.source.connections -= 1
    this.source.arriving.delete(this)
    this.source.strangers.delete(this)
  }

  /** From the peer, as they came over the network. */
  get bytesRead(): number {
    return this.#socket.bytesRead - this.#headerBytes
  }

  /** Leaves the PROXY header of a balancer out of what the peer has sent, and remembers the peer's address. */
  vouch({ bytes, address }: ProxyHeader): void {
    this.#headerBytes = bytes
    this.#vouchedFor = address
  }

  /**
   * Has the TLS socket of this connection tell the address for which a balancer vouches. Two balancers may vouch for
   * the same address and port, so the port becomes a number of this process that no port can be.
   */
  rename(socket: TLSSocket): void {
    if (this.#vouchedFor === undefined) return
    const remotePort = (lastNumber += 1)
    Object.defineProperties(socket, { remoteAddress: { value: this.#vouchedFor }, remotePort: { value: remotePort } })
    this.name = `${this.#vouchedFor}:${remotePort}`
  }

  /** The bytes from the peer since the last call of this. */
  takeBytes(): number {
    const bytes = this.bytesRead - this.#chargedBytes
    this.#chargedBytes += bytes
    return bytes
  }

  /** Ends it before anything else is known of it. */
  reset(): void {
    this.leave()
    this.#socket.resetAndDestroy()
  }

  readonly destroy = (): void => {
    this.isEndedByUs = true
    this.#socket.destroy()
  }
}
