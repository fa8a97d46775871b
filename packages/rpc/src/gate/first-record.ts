import type { Socket } from 'node:net'
import { lookAhead } from './look-ahead.ts'

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
 * `then` once, with the first bytes and what they are; never for a peer that leaves or stays silent.
 */
export function onFirstRecord(
  socket: Socket,
  then: (first: Exclude<FirstBytes, 'partial'>, bytes: Buffer) => void,
  onPartial: () => void,
): void {
  const putBack = (first: Exclude<FirstBytes, 'partial'>, bytes: Buffer) => {
    socket.unshift(bytes)
    then(first, bytes)
  }
  lookAhead(socket, judgeFirstBytes, putBack, onPartial)
}
