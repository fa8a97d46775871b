import type { Attack } from '../attack.ts'
import { openTcp } from '../tools/dial.ts'
import { comesTrue, times } from '../tools/repeat.ts'

/** The limit on handshakes is 10 s by default; every silent connection must be gone within a minute. */
const LIMIT_MS = 60_000

/** Opens connections and says nothing on them. */
export const idleTcp: Attack = {
  name: 'idle-tcp',
  tries: 'TCP connections that never speak',
  counted: ['gate handshake-timeout', 'gate handshake-too-slow'],
  async run(stage) {
    let open = 0
    const { done } = await times(stage, stage.size(2_000, 200), 50, async () => {
      const socket = await openTcp(stage)
      open += 1
      socket.once('close', () => (open -= 1))
    })
    await comesTrue(() => open === 0, LIMIT_MS)
    return {
      counts: { opened: done, closed: done - open },
      allowed: open > 0 ? `${open} silent connections are open after a minute` : undefined,
    }
  },
}
