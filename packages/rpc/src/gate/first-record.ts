import type { Socket } from 'node:net'

const HANDSHAKE = 22
const HEADER_BYTES = 5
/** RFC 8446 §5.1. */
const MOST_IN_RECORD = 2 ** 14

/** What the first bytes of a peer are: a part of a TLS handshake record, a whole one, or something else. */
export type FirstBytes = 'partial' | 'whole' | 'foreign'

/** Judges the first bytes of a TLS client, which are one record with its ClientHello. It says no more until we answer. */
export function judgeFirstBytes(bytes: Buffer): FirstBytes {
  if (bytes.length === 0) return 'partial'
  if (bytes[0] !== HANDSHAKE) return 'foreign'
  if (bytes.length < HEADER_BYTES) return 'partial'
  const length = bytes.readUInt16BE(3)
  if (length > MOST_IN_RECORD || bytes.length > HEADER_BYTES + MOST_IN_RECORD) return 'foreign'
  return bytes.length < HEADER_BYTES + length ? 'partial' : 'whole'
}

/**
 * Waits until a peer has sent the first record of TLS, which stays in the socket for the TLS server. A peer that is silent
 * or slow thus costs a descriptor and no TLS state. Calls `onPartial` after each read that leaves the record incomplete, and
 * `then` once, with what the first bytes are; never for a peer that leaves or stays silent. The socket should have a `highWaterMark` of 1, so that it holds no more than that record.
 */
export function onFirstRecord(
  socket: Socket,
  then: (first: Exclude<FirstBytes, 'partial'>) => void,
  onPartial: () => void,
): void {
  let bytes: Buffer = Buffer.alloc(0)
  const look = () => {
    for (let chunk = take(socket); chunk !== null; chunk = take(socket)) {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
    }
    const first = judgeFirstBytes(bytes)
    if (first === 'partial') return onPartial()
    socket.off('readable', look)
    socket.unshift(bytes)
    then(first)
  }
  socket.on('readable', look)
}

function take(socket: Socket): Buffer | null {
  return socket.read() as Buffer | null
}
