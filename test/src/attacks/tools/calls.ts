import { connect as connectHttp2, type ClientHttp2Session, type ClientHttp2Stream, type Settings } from 'node:http2'
import type { Stage } from '../stage.ts'
import { openTls, type TlsDial } from './dial.ts'

/** Full paths of the RPCs that attacks call. */
export const PATHS = {
  register: '/muster.registration.v1.RegistrationService/Register',
  renew: '/muster.registration.v1.RegistrationService/RenewCertificate',
  heartbeat: '/muster.registration.v1.RegistrationService/Heartbeat',
  watchNodes: '/muster.registration.v1.RegistrationService/WatchNodes',
  trustBundle: '/muster.registration.v1.RegistrationService/GetTrustBundle',
  watchHealth: '/grpc.health.v1.Health/Watch',
  checkHealth: '/grpc.health.v1.Health/Check',
} as const

/** gRPC status numbers that attacks look at. */
export const STATUS = { ok: 0, permissionDenied: 7, resourceExhausted: 8 } as const

/** Opens an HTTP/2 connection over TLS. Rejects when the handshake fails. */
export async function openHttp2(
  stage: Stage,
  options: TlsDial & { settings?: Settings } = {},
): Promise<ClientHttp2Session> {
  const { settings, ...dial } = options
  const socket = await openTls(stage, dial)
  const session = connectHttp2('https://attacked', {
    createConnection: () => socket,
    ...(settings !== undefined && { settings }),
  })
  session.on('error', () => {})
  socket.once('close', () => session.destroy())
  return session
}

/** So many connections: each opens when it is used, and again when the server has ended it. */
export function connectionPool(stage: Stage, count: number, dial: TlsDial = {}) {
  const open = new Map<number, Promise<ClientHttp2Session>>()
  return (index: number): Promise<ClientHttp2Session> => {
    const place = index % count
    const known = open.get(place)
    if (known !== undefined) return known
    const session = openHttp2(stage, dial)
    open.set(place, session)
    const forget = () => open.delete(place)
    session.then((opened) => opened.once('close', forget), forget)
    return session
  }
}

/** Opens a call and sends nothing on it yet. A caller that waits for its end gets its errors. */
export function openCall(session: ClientHttp2Session, path: string, headers: Record<string, string> = {}) {
  const stream = session.request(
    { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers', ...headers },
    { endStream: false },
  )
  stream.on('error', () => {})
  return stream
}

/** A message as gRPC frames it. `declared` lies about its length. */
export function framed(message: Uint8Array, declared = message.length): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(declared, 1)
  return Buffer.concat([head, message])
}

/** Makes a call with one message. @returns its gRPC status; -1 when it ended without one */
export async function call(session: ClientHttp2Session, path: string, message: Uint8Array): Promise<number> {
  if (session.destroyed || session.closed) throw new Error('the connection is closed')
  const stream = openCall(session, path)
  stream.end(framed(message))
  return statusOf(stream)
}

/** The gRPC status that a call ends with; -1 when it ends without one. */
export function statusOf(stream: ClientHttp2Stream): Promise<number> {
  return new Promise((resolve) => {
    let status = -1
    const look = (headers: Record<string, unknown>) => {
      if (headers['grpc-status'] !== undefined) status = Number(headers['grpc-status'])
    }
    stream.on('response', look)
    stream.on('trailers', look)
    stream.once('close', () => resolve(status))
    stream.resume()
  })
}
