import type { Attack } from '../attack.ts'
import { openTls } from '../tools/dial.ts'
import { comesTrue, times } from '../tools/repeat.ts'

/** A stranger's connection without a call ends after 20 s by default. */
const LIMIT_MS = 60_000

/** Finishes handshakes and says nothing after them. */
export const idleTls: Attack = {
  name: 'idle-tls',
  tries: 'TLS connections that never call',
  async run(stage) {
    let open = 0
    const { done } = await times(stage, stage.size(200, 60), 32, async () => {
      const socket = await openTls(stage)
      open += 1
      socket.once('close', () => (open -= 1)).resume()
    })
    await comesTrue(() => open === 0, LIMIT_MS)
    return {
      counts: { opened: done, closed: done - open },
      allowed: open > 0 ? `${open} idle connections are open after a minute` : undefined,
    }
  },
}
