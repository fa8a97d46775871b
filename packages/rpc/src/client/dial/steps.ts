import { connect as tcpConnect, type Socket } from 'node:net'
import { connect as tlsConnect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import type { Attempt } from './attempt.ts'

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
export function openTcp(attempt: Attempt, target: TcpTarget): Promise<Socket> {
  attempt.waitFor(`${formatTarget(target)} did not accept a connection`)
  return new Promise((resolve, reject) => {
    const socket = attempt.own(
      tcpConnect({ ...target, noDelay: true, autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_AFTER_MS }),
    )
    socket.once('error', (error) => reject(withText(error)))
    socket.once('close', () => reject(new Error('the connection was closed')))
    socket.once('connect', () => resolve(socket))
  })
}

/** Performs the TLS handshake as a client. @throws Error of the handshake */
export function openTls(
  attempt: Attempt,
  socket: Socket,
  target: TcpTarget,
  options: ConnectionOptions,
): Promise<TLSSocket> {
  attempt.waitFor(`${formatTarget(target)} accepted a connection and did not complete the TLS handshake`)
  return new Promise((resolve, reject) => {
    const secured = attempt.own(tlsConnect({ ...options, socket }))
    const onClose = () => reject(new Error('the server closed the connection during the TLS handshake'))
    secured.once('error', reject)
    secured.once('close', onClose)
    secured.once('secureConnect', () => {
      secured.off('close', onClose)
      resolve(secured)
    })
  })
}

/** Node gives no text to the error of a name whose addresses have all failed. */
function withText(error: Error): Error {
  if (error.message !== '' || !(error instanceof AggregateError)) return error
  const texts = error.errors.map((one: unknown) => (one instanceof Error ? one.message : String(one)))
  return Object.assign(new Error(texts.join(', '), { cause: error }), { code: (error as NodeJS.ErrnoException).code })
}
