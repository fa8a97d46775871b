import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket } from 'node:tls'
import { sourceOf, splitAddress } from '@muster/domain'
import type { Clock, Logger } from '@muster/runtime'
import type { Registry } from 'prom-client'
import { plainAddress } from '../server/remote-address.ts'
import { serverTlsOptions } from '../tls/server-context.ts'
import type { TlsIdentity } from '../tls/tls-identity.ts'
import { PeerConnection } from './peer-connection.ts'
import { COST_MS, CpuBudget } from './cpu-budget.ts'
import { onFirstRecord } from './first-record.ts'
import { GateReport, type GateEvent } from './gate-report.ts'
import { HandshakeTurns, type Handshaker } from './handshake-turns.ts'
import { connectionsThatFit, type GateLimits } from './limits.ts'
import { lookAhead } from './look-ahead.ts'
import { MemberBudgets, MOST_PER_MEMBER, type MemberPayer, type Payer } from './member-budgets.ts'
import { Balancers } from './proxy-protocol/balancers.ts'
import { type JudgedHeader, readProxyHeader } from './proxy-protocol/proxy-header.ts'
import { SourceLedger, type SourceEntry } from './source-ledger.ts'
import { MOST_OF_OURS_BYTES, MOST_WAITING_OVER_BUDGET, SourceRules } from './source-rules.ts'

/** What a gate needs. */
export interface GateOptions {
  identity: TlsIdentity
  /** The protocol inside TLS; default `h2`. A peer that speaks `http/1.1` is not asked for a certificate. */
  protocol?: 'h2' | 'http/1.1'
  limits: GateLimits
  clock: Clock
  log: Logger
  metrics: Registry
  /** Takes a connection whose handshake is done. `isMember` is true when the peer's certificate verifies. */
  onConnection(socket: TLSSocket, isMember: boolean): void
}

/** The handshakes of all strangers may use their share of this time at once. */
const BURST_TIME_MS = 500
/** How often the bytes of each connection are charged. */
const METER_MS = 500
const SWEEP_MS = 60_000

/**
 * The accept path of a listener: limits before TLS, then TLS 1.3, then the connection is handed on. It owns every socket
 * from its first byte, so what strangers hold is bounded, and members with a connection keep it. Handshakes, calls and bytes
 * are charged to CPU budgets: of the source for strangers, of itself for a node, a bot or a person (decision 0024).
 */
export class Gate {
  readonly #options: GateOptions
  readonly #limits: GateLimits
  readonly #rules: SourceRules
  readonly #server: Server
  readonly #tls: TlsServer
  readonly #ledger: SourceLedger
  readonly #balancers: Balancers
  readonly #handshakes: CpuBudget
  readonly #members: MemberBudgets
  readonly #timers: NodeJS.Timeout[]
  readonly #turns: HandshakeTurns
  readonly #report: GateReport
  /** Every open connection by the peer's `address:port`, which a TLS socket, the socket below it and grpc-js share. */
  readonly #open = new Map<string, PeerConnection>()
  readonly #stopFollowing: () => void

  constructor(options: GateOptions) {
    const { identity, limits, protocol = 'h2' } = options
    this.#options = options
    this.#limits = { ...limits, connections: Math.min(limits.connections, connectionsThatFit()) }
    const share = limits.cpuPercentPerSource / 100
    const shareOfHandshakes = limits.handshakesCpuPercent / 100
    this.#ledger = new SourceLedger(share)
    this.#balancers = new Balancers(limits.proxyProtocolFrom)
    this.#members = new MemberBudgets(share)
    this.#handshakes = new CpuBudget(shareOfHandshakes, shareOfHandshakes * BURST_TIME_MS)
    const onTooSlow = ({ source, destroy }: Handshaker) => {
      this.#report.refused('handshake-too-slow', source.name)
      destroy()
    }
    this.#turns = new HandshakeTurns({ ...this.#limits, budget: this.#handshakes, onTooSlow })
    this.#report = new GateReport(options, () => this.#counts())
    this.#rules = new SourceRules({
      limits: this.#limits,
      ledger: this.#ledger,
      turns: this.#turns,
      report: this.#report,
      clock: options.clock,
    })
    this.#tls = createTlsServer({
      ...serverTlsOptions(identity.current),
      requestCert: protocol === 'h2',
      rejectUnauthorized: false,
      handshakeTimeout: limits.handshakeTimeoutMs,
      ALPNProtocols: [protocol],
    })
    this.#tls.on('secureConnection', (socket) => this.#secured(socket))
    // The socket's own close does the rest.
    this.#tls.on('tlsClientError', (_error, socket) => socket.destroy())
    this.#stopFollowing = identity.onUpdate(() => this.#tls.setSecureContext(serverTlsOptions(identity.current)))
    this.#server = createServer({ pauseOnConnect: true, noDelay: true, highWaterMark: 1 }, (socket) =>
      this.#accept(socket),
    )
    this.#timers = [
      setInterval(() => this.#chargeBytes(), METER_MS).unref(),
      setInterval(() => this.#sweep(), SWEEP_MS).unref(),
    ]
  }

  /** Listens on HOST:PORT. @returns the address with the port that was bound. @throws Error when it cannot */
  async listen(address: string): Promise<string> {
    const { host, port } = splitAddress(address)
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, host, () => {
        this.#server.off('error', reject)
        // After a failed accept, as when descriptors ran out, the gate keeps listening.
        this.#server.on('error', (error) => this.#report.acceptFailed(error))
        resolve()
      })
    })
    return address.replace(/:\d+$/, `:${(this.#server.address() as AddressInfo).port}`)
  }

  /**
   * Takes no new connections, ends those that have not been handed on, and waits for the rest to end. What is still open
   * after `limitMs` is cut. Safe to call again.
   */
  async close(limitMs: number): Promise<void> {
    this.#stopFollowing()
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const connection of this.#open.values()) if (connection.state === 'arriving') connection.destroy()
    const timer = setTimeout(() => {
      for (const connection of this.#open.values()) connection.destroy()
    }, limitMs)
    await closed
    clearTimeout(timer)
    this.#report.close()
    this.#turns.close()
    for (const timer of this.#timers) clearInterval(timer)
  }

  /**
   * Charges CPU time to the payer of a connection, which is named as grpc-js names it (see `CallContext.connection`). Ends
   * the connection if its payer is far over its budget.
   */
  charge(name: string, ms: number): void {
    const connection = this.#open.get(name)
    if (connection !== undefined) this.#charge(connection, ms)
  }

  /** The budget that pays for a connection, for work that pauses in place of an end: see `CpuBudget.pauseMs`. */
  budgetOf(name: string): CpuBudget | undefined {
    return this.#open.get(name)?.payer?.budget
  }

  /** Refunds what a newcomer has cost, once its call has made it a member. */
  admitted(name: string): void {
    const connection = this.#open.get(name)
    if (connection?.state !== 'stranger') return
    connection.source.budget.refund(connection.chargedMs)
    connection.chargedMs = 0
  }

  /** Makes a stranger of a person whom the roll no longer knows: its source pays, also for what was free for a member. */
  disown(name: string): void {
    const connection = this.#open.get(name)
    if (connection?.state !== 'member') return
    const { source, member } = connection
    member?.connections.delete(connection)
    connection.member = undefined
    connection.state = 'stranger'
    connection.payer = source
    source.members -= 1
    source.strangers.add(connection)
    this.#charge(connection, COST_MS.handshake + COST_MS.call)
  }

  #charge(connection: PeerConnection, ms: number): void {
    const { payer } = connection
    if (payer === undefined) return
    payer.budget.charge(ms)
    connection.chargedMs += ms
    if (!payer.budget.isFarOver || connection.isEndedByUs) return
    this.#report.refused('over-budget', payer.name)
    connection.destroy()
  }

  #chargeBytes(): void {
    for (const connection of this.#open.values()) this.#chargeBytesOf(connection)
  }

  #chargeBytesOf(connection: PeerConnection): void {
    // The bytes of a handshake are part of its charge.
    if (connection.payer === undefined || connection.state === 'arriving') return
    const bytes = connection.takeBytes()
    if (bytes > 0) this.#charge(connection, (bytes / 1_024) * COST_MS.kibibyte)
  }

  #sweep(): void {
    this.#ledger.sweep()
    this.#members.sweep()
  }

  #counts() {
    let strangers = 0
    for (const connection of this.#open.values()) if (connection.state === 'stranger') strangers += 1
    return { open: this.#open.size, strangers, handshakes: this.#turns.running }
  }

  #accept(socket: Socket): void {
    const { remoteAddress } = socket
    socket.on('error', () => {})
    // Gone already.
    if (remoteAddress === undefined) return void socket.destroy()
    const address = plainAddress(remoteAddress)
    const isBalancer = this.#balancers.has(address)
    const source = this.#ledger.entryOf(isBalancer ? `balancer ${address}` : sourceOf(address), isBalancer)
    const refusal = this.#rules.refusal(source) ?? this.#rules.makeRoom(this.#open.size)
    if (refusal !== undefined) {
      this.#report.refused(refusal, source.name)
      socket.resetAndDestroy()
      this.#ledger.settle(source)
      return
    }
    const connection = new PeerConnection(socket, source, () => this.#tls.emit('connection', socket))
    // A second one from the same port, to another address of this host: of two with one name, one would be lost sight of.
    if (this.#open.has(connection.name)) return connection.reset()
    this.#open.set(connection.name, connection)
    const timer = setTimeout(() => {
      if (connection.state !== 'arriving') return
      this.#report.refused('handshake-timeout', connection.source.name)
      connection.destroy()
    }, this.#limits.handshakeTimeoutMs)
    timer.unref()
    socket.once('close', () => {
      clearTimeout(timer)
      this.#open.delete(connection.name)
      this.#closed(connection)
    })
    if (isBalancer) this.#awaitHeader(socket, connection)
    else this.#awaitHello(socket, connection)
  }

  /** A balancer pays for a header that comes in parts. The peer for which it vouches pays for all that follows. */
  #awaitHeader(socket: Socket, connection: PeerConnection): void {
    const { source: balancer } = connection
    const then = (header: Exclude<JudgedHeader, 'partial'>, bytes: Buffer) => {
      if (header === 'invalid') return this.#refuse(connection, 'proxy-header')
      connection.vouch(header)
      if (header.address !== undefined) {
        connection.leave()
        this.#ledger.settle(balancer)
        const source = this.#ledger.entryOf(sourceOf(header.address))
        const refusal = this.#rules.refusal(source)
        connection.enter(source)
        if (refusal !== undefined) return this.#refuse(connection, refusal)
      }
      socket.unshift(bytes.subarray(header.bytes))
      this.#awaitHello(socket, connection)
    }
    lookAhead(socket, readProxyHeader, then, () => this.#charge(connection, COST_MS.partialRead))
  }

  #awaitHello(socket: Socket, connection: PeerConnection): void {
    onFirstRecord(
      socket,
      (first, bytes) => (first === 'whole' ? this.#handshake(connection) : this.#foreign(connection, bytes)),
      () => this.#charge(connection, COST_MS.partialRead),
    )
  }

  #refuse(connection: PeerConnection, reason: GateEvent): void {
    this.#report.refused(reason, connection.source.name)
    connection.destroy()
  }

  #handshake(connection: PeerConnection): void {
    const { source } = connection
    if (!source.budget.isOver) return this.#turns.enter(connection)
    this.#report.refused('over-budget', source.name)
    if (this.#turns.waitingOf(source) >= MOST_WAITING_OVER_BUDGET) connection.destroy()
    else this.#turns.enter(connection)
  }

  #foreign(connection: PeerConnection, bytes: Buffer): void {
    this.#report.count('handshake-failed')
    // Most likely a balancer that the configuration does not name.
    if (readProxyHeader(bytes) !== 'invalid') return this.#refuse(connection, 'proxy-header')
    connection.destroy()
  }

  #closed(connection: PeerConnection): void {
    const { source, state, bytesRead } = connection
    this.#chargeBytesOf(connection)
    connection.leave()
    connection.member?.connections.delete(connection)
    if (state === 'member') source.members -= 1
    this.#turns.leave(connection)
    // A probe of a load balancer connects and leaves without a byte.
    if (state === 'arriving' && bytesRead > 0 && !connection.isEndedByUs) {
      this.#report.count('handshake-failed')
      if (bytesRead > MOST_OF_OURS_BYTES) this.#rules.countBad(source, bytesRead)
    }
    this.#ledger.settle(source)
  }

  #secured(socket: TLSSocket): void {
    socket.on('error', () => {})
    const connection = this.#open.get(`${socket.remoteAddress}:${socket.remotePort}`)
    if (connection === undefined || connection.isEndedByUs) return void socket.destroy()
    const { source } = connection
    source.arriving.delete(connection)
    this.#turns.leave(connection)
    connection.takeBytes()
    this.#open.delete(connection.name)
    connection.rename(socket)
    this.#open.set(connection.name, connection)
    if (socket.authorized) {
      connection.state = 'member'
      source.members += 1
      const member = this.#members.payerOf(socket)
      connection.payer = member
      this.#moveCharge(source, member)
      if (member !== undefined) this.#enterMember(connection, member)
    } else {
      connection.state = 'stranger'
      // Its own handshake, and the one that checked the pin.
      connection.chargedMs = 2 * COST_MS.handshake
      source.strangers.add(connection)
      if (socket.getPeerCertificate().raw !== undefined) this.#rules.countBad(source, connection.bytesRead)
    }
    if (!connection.isEndedByUs) this.#options.onConnection(socket, socket.authorized)
  }

  /** Charges the handshake of a member to itself in place of its source, unless it makes too many. */
  #moveCharge(source: SourceEntry, member: Payer | undefined): void {
    this.#handshakes.refund(COST_MS.strangerHandshake)
    if (member?.budget.isOver === true) return
    source.budget.refund(COST_MS.handshake)
    member?.budget.charge(COST_MS.handshake)
  }

  /** Counts the connection of a member with a budget, and ends its oldest one when it has too many. */
  #enterMember(connection: PeerConnection, member: MemberPayer): void {
    connection.member = member
    member.connections.add(connection)
    if (member.connections.size <= MOST_PER_MEMBER) return
    const [oldest] = member.connections
    member.connections.delete(oldest!)
    this.#report.refused('evicted', member.name)
    oldest!.destroy()
  }
}
