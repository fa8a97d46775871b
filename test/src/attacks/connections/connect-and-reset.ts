import type { Attack } from '../attack.ts'
import { openTcp } from '../tools/dial.ts'
import { repeat } from '../tools/repeat.ts'

/** Opens connections and resets them at once: only the accept path of the server works. */
export const connectAndReset: Attack = {
  name: 'connect-and-reset',
  tries: 'TCP connections that are reset at once, without end',
  async run(stage) {
    const { done, failed } = await repeat(stage, 32, async () => {
      const socket = await openTcp(stage)
      socket.resetAndDestroy()
      stage.drop(socket)
    })
    return { counts: { opened: done, refused: failed } }
  },
}
