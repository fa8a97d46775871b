import type { Attack } from '../attack.ts'
import { openBelowTls } from '../tools/below-tls.ts'
import { hostileChain } from '../tools/chains.ts'
import { openTls } from '../tools/dial.ts'
import { repeat } from '../tools/repeat.ts'

const APPLICATION_DATA = 23

/** Spoils the record that carries the client's proof of its key: the server must verify the chain first, and then refuse. */
export const garbageCertificateVerify: Attack = {
  name: 'garbage-certificate-verify',
  tries: 'handshakes whose proof of the client key is spoiled, after 30 intermediates',
  counted: ['gate handshake-failed', 'gate bad-certificates', 'gate barred'],
  async run(stage) {
    const chain = hostileChain({ curve: 'secp521r1', intermediates: 30 })
    const { done, failed } = await repeat(stage, 4, async () => {
      const socket = await openTls(stage, { over: openBelowTls(stage, spoil).duplex, ...chain })
      const isCut = await new Promise((resolve) => {
        socket.once('close', () => resolve(true)).resume()
        socket.setTimeout(2_000, () => resolve(false))
      })
      if (isCut === true) throw new Error('cut')
    })
    return {
      counts: { tried: done + failed, refused: failed },
      allowed: done > 0 ? `the server kept ${done} connections with a spoiled proof` : undefined,
    }
  },
}

/** Flips one bit in the second flight. Its last record is Finished; the one before it ends with CertificateVerify. */
function spoil(chunk: Buffer): void {
  const ends: number[] = []
  for (let at = 0; at + 5 <= chunk.length; at += 5 + chunk.readUInt16BE(at + 3)) {
    if (chunk[at] === APPLICATION_DATA) ends.push(at + 5 + chunk.readUInt16BE(at + 3))
  }
  const end = ends.at(-2)
  if (end !== undefined) chunk[Math.min(end, chunk.length) - 20]! ^= 1
}
