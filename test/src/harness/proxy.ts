import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { splitAddress } from '@muster/domain'
import type { Lifecycle } from '@muster/runtime'

/** A TCP proxy that records the bytes of clients, and can withhold the answers of the server. */
export interface Proxy {
  /** HOST:PORT to connect to. */
  address: string
  /** Every byte that clients have sent. */
  received(): Buffer
  /** How many connections there have been. */
  connections(): number
  /** From now on no byte from the server reaches a client. Withheld bytes are lost when the connection ends. */
  withholdAnswers(): void
  /** New connections get their answers again. */
  passAnswers(): void
}

/** Starts a proxy; `life` closes it. `targetOf` says where each connection goes: the first is number 0. */
export async function startProxy(life: Lifecycle, targetOf: (connection: number) => string): Promise<Proxy> {
  const chunks: Buffer[] = []
  const sockets = new Set<Socket>()
  let connections = 0
  let withholding = false
  const server = createServer((client) => {
    const { host, port } = splitAddress(targetOf(connections++))
    const upstream = connect({ host, port: port! })
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
    client.on('data', (chunk) => {
      chunks.push(chunk)
      upstream.write(chunk)
    })
    // The setting at the time when the bytes arrive applies: withheld bytes stay withheld.
    let isStalled = false
    upstream.on('data', (chunk) => {
      isStalled ||= withholding
      if (!isStalled) client.write(chunk)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  life.own('proxy', server, () => {
    for (const socket of sockets) socket.destroy()
    return new Promise((resolve) => server.close(resolve))
  })
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    received: () => Buffer.concat(chunks),
    connections: () => connections,
    withholdAnswers() {
      withholding = true
    },
    passAnswers() {
      withholding = false
    },
  }
}
