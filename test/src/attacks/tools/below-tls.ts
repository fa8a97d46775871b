import { connect as connectTcp, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { Stage } from '../stage.ts'

/** A TCP connection to run TLS over, whose bytes can be seen, changed and added to. */
export interface BelowTls {
  /** For tls.connect. */
  duplex: Duplex
  /** What the duplex writes to. */
  socket: Socket
}

/** Opens it from the attack's source. `alter` may change what the client's TLS sends, in place. */
export function openBelowTls(stage: Stage, alter: (chunk: Buffer) => void = () => {}): BelowTls {
  const socket = stage.own(
    connectTcp({ host: stage.host, port: stage.port, localAddress: stage.source(), noDelay: true }),
  )
  const duplex = new Duplex({
    read: () => void socket.resume(),
    write(chunk: Buffer, _encoding, done) {
      alter(chunk)
      socket.write(chunk, done)
    },
    final: (done) => void socket.end(done),
    destroy(error, done) {
      socket.destroy()
      done(error)
    },
  })
  duplex.on('error', () => {})
  socket.on('data', (chunk) => {
    if (!duplex.push(chunk)) socket.pause()
  })
  socket.on('close', () => duplex.destroy())
  socket.on('error', () => {})
  return { duplex, socket }
}
