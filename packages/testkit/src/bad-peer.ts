import { createSecureServer as createHttp2Server } from 'node:http2'
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { TestMember } from './cluster.ts'

/** What a bad peer does with each connection. It stays silent after a step, or resets the connection at once. */
export type BadPeerKind = 'silent after TCP' | 'silent after TLS' | 'silent after the request' | 'resets'

/** Every kind of bad peer. */
export const BAD_PEERS: readonly BadPeerKind[] = [
  'silent after TCP',
  'silent after TLS',
  'silent after the request',
  'resets',
]

/** A server that behaves badly. */
export interface BadPeer {
  /** HOST:PORT on loopback. */
  address: string
  /** How many connections it has accepted. */
  connections(): number
  /** How many connections are open now. */
  open(): number
  close(): Promise<void>
}

/** Starts a server on loopback that behaves badly, under a certificate that a client may trust. */
export async function startBadPeer(kind: BadPeerKind, { own, hostRootsPem }: TestMember): Promise<BadPeer> {
  const server = serverOf(kind, { key: own.keyPem, cert: own.chainPem + hostRootsPem, ALPNProtocols: ['h2'] })
  const sockets = new Set<Socket>()
  let connections = 0
  server.on('connection', (socket: Socket) => {
    connections += 1
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    if (kind === 'resets') socket.resetAndDestroy()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: () => connections,
    open: () => sockets.size,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function serverOf(kind: BadPeerKind, identity: { key: string; cert: string; ALPNProtocols: string[] }): Server {
  if (kind === 'silent after TLS') {
    return createTlsServer(identity, (socket) => socket.on('error', () => {}).resume()).on('tlsClientError', () => {})
  }
  if (kind === 'silent after the request') {
    return createHttp2Server(identity, () => {}).on('sessionError', () => {})
  }
  return createTcpServer((socket) => socket.resume())
}
