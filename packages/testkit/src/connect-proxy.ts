import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { splitAddress } from '@muster/domain'

/** What a proxy does with a request for a tunnel. `garbage` answers with something that is not HTTP. */
export type ProxyManners = 'opens' | 'refuses' | 'asks for a password' | 'is silent' | 'garbage'

/** A proxy on loopback that opens tunnels by CONNECT. */
export interface ConnectProxy {
  /** HOST:PORT of the proxy. */
  address: string
  /** The HOST:PORT of each request, in order. */
  requested: string[]
  close(): Promise<void>
}

/**
 * Starts a proxy. It connects every tunnel to `target`, whatever name was asked for: tests ask for names that exist
 * nowhere, since loopback is never proxied. With `password`, `USER:PASSWORD`, it opens tunnels to those who send it.
 */
export async function startConnectProxy(
  target: string,
  { manners = 'opens', password }: { manners?: ProxyManners; password?: string } = {},
): Promise<ConnectProxy> {
  const sockets = new Set<Socket>()
  const requested: string[] = []
  const keep = (socket: Socket) => {
    sockets.add(socket)
    return socket.on('error', () => {}).on('close', () => sockets.delete(socket))
  }
  const server = createServer()
  server.on('connection', keep)
  server.on('connect', ({ url = '', headers }, client: Socket) => {
    requested.push(url)
    const expected = password === undefined ? undefined : `Basic ${Buffer.from(password).toString('base64')}`
    const asks = manners === 'asks for a password' || headers['proxy-authorization'] !== expected
    if (manners === 'is silent') return
    if (manners === 'garbage') return void client.end('SSH-2.0-OpenSSH_9.2\r\n')
    if (manners === 'refuses') return void client.end('HTTP/1.1 403 Forbidden\r\n\r\n')
    if (asks) return void client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
    const { host, port } = splitAddress(target)
    const upstream = keep(connect({ host, port: port! }))
    upstream.on('connect', () => client.write('HTTP/1.1 200 Connection established\r\n\r\n'))
    upstream.on('close', () => client.destroy())
    client.on('close', () => upstream.destroy())
    upstream.pipe(client).pipe(upstream)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requested,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
