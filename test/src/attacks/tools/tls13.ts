import { createCipheriv, createHmac } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import type { Socket } from 'node:net'
import type { Stage } from '../stage.ts'
import { openBelowTls } from './below-tls.ts'
import { openTls } from './dial.ts'

/** Record types of TLS 1.3 (RFC 8446 §5.1). */
export const RECORD = { handshake: 22, applicationData: 23 } as const

/** A TLS 1.3 connection on which the attacker encrypts each record by hand. */
export interface RecordWriter {
  tls: TLSSocket
  socket: Socket
  /** One encrypted record as bytes; every call uses up a sequence number. */
  record(type: number, content: Uint8Array): Buffer
  /** Moves to the next key of this side, as after a KeyUpdate. */
  nextKey(): void
}

/** Opens a connection and takes the client's side of it over once the handshake is done. */
export async function openRecords(stage: Stage): Promise<RecordWriter> {
  const { duplex, socket } = openBelowTls(stage)
  let secret: Buffer = Buffer.alloc(0)
  const tls = await openTls(stage, {
    over: duplex,
    ciphers: 'TLS_AES_128_GCM_SHA256',
    onKeylog(line) {
      const [label, , value] = line.toString('latin1').trim().split(' ')
      if (label === 'CLIENT_TRAFFIC_SECRET_0') secret = Buffer.from(value!, 'hex')
    },
  })
  tls.resume()
  let keys = keysOf(secret)
  let sequence = 0n
  return {
    tls,
    socket,
    record(type, content) {
      const nonce = Buffer.from(keys.iv)
      const last = nonce.readBigUInt64BE(4) ^ sequence
      sequence += 1n
      nonce.writeBigUInt64BE(last, 4)
      const head = Buffer.from([RECORD.applicationData, 3, 3, 0, 0])
      head.writeUInt16BE(content.length + 1 + 16, 3)
      const cipher = createCipheriv('aes-128-gcm', keys.key, nonce).setAAD(head)
      const body = Buffer.concat([cipher.update(content), cipher.update(Buffer.of(type)), cipher.final()])
      return Buffer.concat([head, body, cipher.getAuthTag()])
    },
    nextKey() {
      secret = expandLabel(secret, 'traffic upd', 32)
      keys = keysOf(secret)
      sequence = 0n
    },
  }
}

function keysOf(secret: Buffer): { key: Buffer; iv: Buffer } {
  return { key: expandLabel(secret, 'key', 16), iv: expandLabel(secret, 'iv', 12) }
}

/** HKDF-Expand-Label of one block (RFC 8446 §7.1). */
function expandLabel(secret: Buffer, label: string, length: number): Buffer {
  const name = Buffer.from(`tls13 ${label}`)
  const info = Buffer.concat([Buffer.from([0, length, name.length]), name, Buffer.of(0)])
  return createHmac('sha256', secret).update(info).update(Buffer.of(1)).digest().subarray(0, length)
}
