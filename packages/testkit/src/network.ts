import net from 'node:net'
import { splitAddress } from '@muster/domain'
import { type BadPeer, type BadPeerKind, startBadPeer } from './bad-peer.ts'
import type { TestMember } from './cluster.ts'

/** What may be wrong on the way to a server. */
export type Trouble = BadPeerKind | 'refused' | 'slow'

/** Every trouble. */
export const TROUBLES: readonly Trouble[] = [
  'silent after TCP',
  'silent after TLS',
  'silent after the request',
  'resets',
  'refused',
  'slow',
]

/** How long a slow network holds each piece of data back. */
const SLOW_MS = 20

/** The way from one agent to a server. */
export interface Network {
  /** HOST:PORT for the agent. */
  address: string
  /** Ends the connections, and brings this trouble for new ones; undefined: none. */
  bring(trouble: Trouble | undefined): Promise<void>
  close(): Promise<void>
}

/** Opens a way to a server. A bad peer takes its place, under the certificate of `shown`, while there is trouble with it. */
export async function openNetwork(server: string, shown: () => TestMember): Promise<Network> {
  const sockets = new Set<net.Socket>()
  let target = server
  let delayMs = 0
  let peer: BadPeer | undefined
  const listener = net.createServer((client) => {
    const { host, port } = splitAddress(target)
    const upstream = net.connect({ host, port: port! })
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ECONNRESET' && socket === upstream) client.resetAndDestroy()
      })
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
      socket.on('data', (data) => void setTimeout(() => other.writable && other.write(data), delayMs))
    }
  })
  const listen = (port: number) =>
    new Promise<number>((resolve) => {
      listener.listen(port, '127.0.0.1', () => resolve((listener.address() as net.AddressInfo).port))
    })
  const port = await listen(0)
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  const stopListening = async () => {
    const stopped = new Promise((resolve) => listener.close(resolve))
    cut()
    await stopped
  }
  return {
    address: `127.0.0.1:${port}`,
    async bring(trouble) {
      const former = peer
      const isBad = trouble !== undefined && trouble !== 'refused' && trouble !== 'slow'
      peer = isBad ? await startBadPeer(trouble, shown()) : undefined
      target = peer?.address ?? server
      delayMs = trouble === 'slow' ? SLOW_MS : 0
      if (trouble === 'refused') await stopListening()
      else if (!listener.listening) await listen(port)
      cut()
      await former?.close()
    },
    async close() {
      if (listener.listening) await stopListening()
      await peer?.close()
    },
  }
}
