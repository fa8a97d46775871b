import type { Attack } from '../attack.ts'
import { openTls } from '../tools/dial.ts'
import { times, untilOver } from '../tools/repeat.ts'

/** One node opens far more connections than it needs, and keeps them. */
export const memberConnections: Attack = {
  name: 'member-connections',
  tries: 'connections of one node, as many as it gets',
  needs: ['member'],
  async run(stage) {
    let open = 0
    const { done, failed } = await times(stage, stage.size(1_000, 60), 16, async () => {
      const socket = await openTls(stage, { member: stage.given.member })
      open += 1
      socket.once('close', () => (open -= 1)).resume()
    })
    await untilOver(stage)
    return { counts: { opened: done, refused: failed, held: open } }
  },
}
