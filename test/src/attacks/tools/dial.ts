import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import type { Duplex } from 'node:stream'
import type { JoinedNode } from '../../bench/load-connections.ts'
import type { Stage } from '../stage.ts'

/** How long an attacker waits for a connection before it gives up. */
const DIAL_LIMIT_MS = 5_000

/** Opens a TCP connection from the attack's source. Rejects when the server resets it at once. */
export function openTcp(stage: Stage, source = stage.source()): Promise<Socket> {
  const socket = stage.own(connectTcp({ host: stage.host, port: stage.port, localAddress: source, noDelay: true }))
  return settled(stage, socket, 'connect')
}

/** The options of an attacker's TLS connection. */
export interface TlsDial extends ConnectionOptions {
  source?: string
  /** A connection to run TLS over, in place of a new one from the source. */
  over?: Duplex
  /** Shows this node's certificate. */
  member?: JoinedNode | undefined
  /** Told of each line of NSS key log format. */
  onKeylog?: (line: Buffer) => void
}

/** Opens a TLS connection from the attack's source; it trusts any server. Rejects when the handshake fails. */
export async function openTls(
  stage: Stage,
  { source, over, member, onKeylog, ...options }: TlsDial = {},
): Promise<TLSSocket> {
  // Node's types do not know it, and it is handed on to net.connect.
  const from: object = { localAddress: source ?? stage.source() }
  const socket = stage.own(
    connectTls({
      ...(over === undefined ? { host: stage.host, port: stage.port, ...from } : { socket: over }),
      rejectUnauthorized: false,
      ALPNProtocols: ['h2'],
      ...(member !== undefined && { key: member.keyPem, cert: member.chainPem }),
      ...options,
    }),
  )
  if (onKeylog !== undefined) socket.on('keylog', onKeylog)
  return settled(stage, socket, 'secureConnect')
}

function settled<T extends Socket>(stage: Stage, socket: T, event: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => stage.drop(socket), DIAL_LIMIT_MS)
    socket.once(event, () => {
      clearTimeout(timer)
      resolve(socket)
    })
    socket.once('close', () => {
      clearTimeout(timer)
      stage.drop(socket)
      reject(new Error('closed'))
    })
    socket.on('error', () => {})
  })
}
