import type { Attack } from '../attack.ts'
import { framed, openCall, openHttp2, PATHS } from '../tools/calls.ts'
import { times, untilOver } from '../tools/repeat.ts'

/** A stranger's source may hold so many health watches. */
const MOST = 32

/** Opens streams that never end: a hundred on each of fifty connections. */
export const healthWatches: Attack = {
  name: 'health-watches',
  tries: 'anonymous Health/Watch streams, 100 on each connection',
  counted: ['calls RESOURCE_EXHAUSTED'],
  async run(stage) {
    let tried = 0
    let answered = 0
    let open = 0
    const connections = stage.size(50, 8)
    await times(stage, connections, 8, async () => {
      const session = await openHttp2(stage)
      for (let i = 0; i < 100; i++) {
        tried += 1
        const stream = openCall(session, PATHS.watchHealth)
        let isHeld = false
        stream.once('data', () => {
          isHeld = true
          answered += 1
          open += 1
        })
        stream.once('close', () => {
          if (isHeld) open -= 1
        })
        stream.end(framed(Buffer.alloc(0)))
      }
    })
    await untilOver(stage)
    return {
      counts: { tried, answered, held: open },
      allowed: open > MOST ? `one source held ${open} streams` : undefined,
    }
  },
}
