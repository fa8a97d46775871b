import type { Attack } from '../attack.ts'
import { framed, openCall, openHttp2, PATHS } from '../tools/calls.ts'
import { times, untilOver } from '../tools/repeat.ts'
import { helloMessage } from '../tools/requests.ts'

/** A node may hold so many streams. */
const MOST = 8

/** One node opens far more heartbeat streams than it needs. */
export const heartbeatStreams: Attack = {
  name: 'heartbeat-streams',
  tries: 'heartbeat streams of one node, 100 on each connection',
  needs: ['member'],
  counted: ['calls RESOURCE_EXHAUSTED'],
  async run(stage) {
    let tried = 0
    let open = 0
    const hello = framed(helloMessage('greedy'))
    await times(stage, stage.size(20, 2), 4, async () => {
      const session = await openHttp2(stage, { member: stage.given.member })
      for (let i = 0; i < 100; i++) {
        tried += 1
        const stream = openCall(session, PATHS.heartbeat)
        let isHeld = false
        stream.once('data', () => {
          isHeld = true
          open += 1
        })
        stream.once('close', () => {
          if (isHeld) open -= 1
        })
        stream.write(hello)
      }
    })
    await untilOver(stage)
    return { counts: { tried, held: open }, allowed: open > MOST ? `one node held ${open} streams` : undefined }
  },
}
