import type { Attack } from '../attack.ts'
import { openTcp } from '../tools/dial.ts'
import { repeat } from '../tools/repeat.ts'

/** Bytes that are not TLS. */
export const noTls: Attack = {
  name: 'no-tls',
  tries: 'connections that send random bytes, and HTTP',
  counted: ['gate handshake-failed'],
  async run(stage) {
    const texts = [Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), Buffer.alloc(16_384, 0x16), Buffer.alloc(64, 0xff)]
    const { done, failed } = await repeat(stage, 16, async (i) => {
      const socket = await openTcp(stage)
      socket.end(texts[i % texts.length]!)
      await new Promise((resolve) => socket.once('close', resolve).resume())
    })
    return { counts: { sent: done, refused: failed } }
  },
}
