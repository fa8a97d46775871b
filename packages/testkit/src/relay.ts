import net from 'node:net'
import { splitAddress } from '@muster/domain'

/** Passes TCP connections on to a server, and counts those that are open. */
export interface Relay {
  /** HOST:PORT for the client. */
  address: string
  /** How many connections of clients are open now. */
  open(): number
  /** Ends every connection. New ones are passed on as before. */
  cut(): void
  close(): Promise<void>
}

/** Starts a relay to a server at HOST:PORT. */
export async function startRelay(target: string): Promise<Relay> {
  const { host, port } = splitAddress(target)
  const sockets = new Set<net.Socket>()
  const server = net.createServer((client) => {
    const upstream = net.connect(port!, host)
    sockets.add(client)
    client.once('close', () => {
      sockets.delete(client)
      upstream.destroy()
    })
    upstream.once('close', () => client.destroy())
    for (const socket of [client, upstream]) socket.on('error', () => {})
    client.pipe(upstream).pipe(client)
  })
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    address: `127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    open: () => sockets.size,
    cut,
    async close() {
      cut()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
