import { once } from 'node:events'
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { splitAddress } from '@muster/domain'

/** Another source than that of honest callers, so that they are not held to account for the stranger. */
const SOURCE = '127.0.0.66'
const AT_ONCE = 16
/** The stranger waits this long before it connects again after a failure. */
const PAUSE_MS = 5

/** The target of a stranger, and for how long. */
export interface Flood {
  address: string
  durationMs: number
}

/** Makes TLS handshakes without a certificate, as many as the server allows. @returns how many succeeded */
export async function floodHandshakes({ address, durationMs }: Flood): Promise<number> {
  return repeated(durationMs, async () => {
    const socket = await dial(address)
    socket.destroy()
  })
}

/** Makes calls of this path with an empty message, as many as the server allows. @returns how many were answered */
export async function floodCalls({ address, durationMs, path }: Flood & { path: string }): Promise<number> {
  const sessions: (ClientHttp2Session | undefined)[] = []
  return repeated(durationMs, async (index) => {
    const slot = index % (AT_ONCE / 4)
    const session = usable(sessions[slot]) ?? (sessions[slot] = await open(address))
    await call(session, path)
  }).finally(() => {
    for (const session of sessions) session?.destroy()
  })
}

async function repeated(durationMs: number, work: (index: number) => Promise<void>): Promise<number> {
  const endsAt = performance.now() + durationMs
  let done = 0
  const runner = async (_: unknown, index: number) => {
    while (performance.now() < endsAt) {
      try {
        await work(index)
        done += 1
      } catch {
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, runner))
  return done
}

async function dial(address: string): Promise<TLSSocket> {
  const { host, port } = splitAddress(address)
  // Node's types do not know localAddress here; it reaches net.connect.
  const from: object = { localAddress: SOURCE }
  const socket = connectTls({ host, port, rejectUnauthorized: false, ALPNProtocols: ['h2'], ...from })
  socket.setTimeout(1_000, () => socket.destroy(new Error('the server does not answer')))
  await once(socket, 'secureConnect')
  socket.on('error', () => {})
  return socket
}

async function open(address: string): Promise<ClientHttp2Session> {
  const socket = await dial(address)
  const session = connectHttp2(`https://${address}`, { createConnection: () => socket })
  session.on('error', () => {})
  return session
}

function usable(session: ClientHttp2Session | undefined): ClientHttp2Session | undefined {
  return session?.closed === false && !session.destroyed ? session : undefined
}

async function call(session: ClientHttp2Session, path: string): Promise<void> {
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
  })
  stream.resume()
  stream.end(Buffer.alloc(5))
  await once(stream, 'end')
}
