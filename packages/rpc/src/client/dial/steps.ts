import { connect as tcpConnect, type Socket } from 'node:net'
import { connect as tlsConnect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import type { Attempt } from './attempt.ts'
import type { Proxy } from './proxies.ts'
import { openTunnel } from './tunnel.ts'

/** Where to connect to. */
export interface TcpTarget {
  host: string
  port: number
}

/** How long to wait for one address of a name before the next is tried beside it. The 250 ms of Node are too short for slow links. */
const NEXT_ADDRESS_AFTER_MS = 1_000

/** HOST:PORT as people write it. */
export function formatTarget({ host, port }: TcpTarget): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** Opens a TCP connection. @throws Error of the socket */
export function openTcp(attempt: Attempt, target: TcpTarget, name = formatTarget(target)): Promise<Socket> {
  attempt.waitFor(`${name} did not accept a connection`)
  return new Promise((resolve, reject) => {
    const socket = attempt.own(
      tcpConnect({ ...target, noDelay: true, autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_AFTER_MS }),
    )
    socket.once('error', (error) => reject(withText(error)))
    socket.once('close', () => reject(new Error('the connection was closed')))
    socket.once('connect', () => resolve(socket))
  })
}

/** Opens a TCP connection to a proxy, and a tunnel through it to HOST:PORT. @throws Error that names the proxy */
export async function openTcpThrough(attempt: Attempt, proxy: Proxy, address: string, at: TcpTarget): Promise<Socket> {
  const socket = await openTcp(attempt, at, `the proxy ${proxy.name}`).catch((error: Error) => {
    throw new Error(`the proxy ${proxy.name}, which ${proxy.variable} names, cannot be reached: ${error.message}`, {
      cause: error,
    })
  })
  return openTunnel(attempt, socket, proxy, address)
}

/** Performs the TLS handshake as a client; `peer` names the server. @throws Error of the handshake */
export function openTls(
  attempt: Attempt,
  socket: Socket,
  peer: string,
  options: ConnectionOptions,
): Promise<TLSSocket> {
  attempt.waitFor(`${peer} accepted a connection and did not complete the TLS handshake`)
  return new Promise((resolve, reject) => {
    const secured = attempt.own(tlsConnect({ ...options, socket }))
    const onClose = () => reject(new Error('the server closed the connection during the TLS handshake'))
    secured.once('error', (error) => reject(withText(error)))
    secured.once('close', onClose)
    secured.once('secureConnect', () => {
      secured.off('close', onClose)
      resolve(secured)
    })
  })
}

/** Node gives no text to the error of a name whose addresses have all failed. */
function withText(error: Error): Error {
  if (error.message !== '' || !('errors' in error)) return error
  const texts = (error.errors as Error[]).map(({ message }) => message)
  return Object.assign(new Error(texts.join(', '), { cause: error }), { code: (error as NodeJS.ErrnoException).code })
}
