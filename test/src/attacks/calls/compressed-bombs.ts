import { gzipSync } from 'node:zlib'
import type { Attack } from '../attack.ts'
import { connectionPool, openCall, PATHS, statusOf, STATUS } from '../tools/calls.ts'
import { repeat } from '../tools/repeat.ts'

/** 32 MiB of zeros in 32 KiB, flagged as compressed in the frame of gRPC. */
function bomb(): Buffer {
  const body = gzipSync(Buffer.alloc(32 * 1024 * 1024))
  const head = Buffer.from([1, 0, 0, 0, 0])
  head.writeUInt32BE(body.length, 1)
  return Buffer.concat([head, body])
}

/** Sends small messages that are huge once they are unpacked. */
export const compressedBombs: Attack = {
  name: 'compressed-bombs',
  tries: 'messages of 32 KiB that unpack to 32 MiB',
  counted: ['calls RESOURCE_EXHAUSTED', 'calls UNIMPLEMENTED', 'gate over-budget'],
  async run(stage) {
    const message = bomb()
    const sessions = connectionPool(stage, 4)
    let accepted = 0
    const { done, failed } = await repeat(stage, 8, async (i) => {
      const stream = openCall(await sessions(i), PATHS.register, { 'grpc-encoding': 'gzip' })
      stream.end(message)
      if ((await statusOf(stream)) === STATUS.ok) accepted += 1
    })
    return {
      counts: { sent: done, refused: failed },
      allowed: accepted > 0 ? `${accepted} messages of 32 MiB were accepted` : undefined,
    }
  },
}
