import type { AddressInfo } from 'node:net'
import { connect as tlsConnect, createServer } from 'node:tls'
import { splitAddress } from '@muster/domain'
import type { Lifecycle } from '@muster/runtime'

/** The TLS material that an impostor shows. */
export interface Mask {
  keyPem: string
  /** Leaf first; with the root, if it is to be shown. */
  chainPem: string
}

/** A TLS server that reads its input and passes it on to the real one, as a man in the middle does. */
export interface Impostor {
  address: string
  /** Every byte that it has received, decrypted. */
  received(): Buffer
}

/** Starts an impostor in front of the server at `target`; `life` stops it. */
export async function startImpostor(life: Lifecycle, mask: Mask, target: string): Promise<Impostor> {
  const chunks: Buffer[] = []
  const { host, port } = splitAddress(target)
  const tls = { minVersion: 'TLSv1.3', ALPNProtocols: ['h2'] } as const
  const sockets = new Set<{ destroy(): void }>()
  const server = createServer({ key: mask.keyPem, cert: mask.chainPem, ...tls }, (victim) => {
    const upstream = tlsConnect({ host, port: port!, rejectUnauthorized: false, ...tls })
    for (const [socket, other] of [
      [victim, upstream],
      [upstream, victim],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
    victim.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      upstream.write(chunk)
    })
    upstream.on('data', (chunk: Buffer) => victim.write(chunk))
  })
  // A client that does not trust it breaks off in the middle of the handshake.
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  life.own('impostor', server, () => {
    for (const socket of sockets) socket.destroy()
    return new Promise((resolve) => server.close(resolve))
  })
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    received: () => Buffer.concat(chunks),
  }
}
