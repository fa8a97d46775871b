import type { Attack } from '../attack.ts'
import { openTls } from '../tools/dial.ts'
import { repeat } from '../tools/repeat.ts'

/** TLS 1.2 alone could be renegotiated without end; the server speaks 1.3 only. */
export const tls12: Attack = {
  name: 'tls12',
  tries: 'TLS 1.2, and renegotiation if it is granted',
  counted: ['gate handshake-failed'],
  async run(stage) {
    const { done, failed } = await repeat(stage, 16, async () => {
      const socket = await openTls(stage, { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' })
      await new Promise((resolve) => socket.renegotiate({}, resolve))
      stage.drop(socket)
    })
    return {
      counts: { tried: done + failed, refused: failed },
      allowed: done > 0 ? `the server spoke TLS 1.2 ${done} times` : undefined,
    }
  },
}
