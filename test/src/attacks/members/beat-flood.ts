import type { Attack } from '../attack.ts'
import { framed, openCall, openHttp2, PATHS } from '../tools/calls.ts'
import { comesTrue, repeat } from '../tools/repeat.ts'
import { BEAT, helloMessage } from '../tools/requests.ts'

const BEATS = Buffer.concat(Array.from({ length: 100 }, () => framed(BEAT)))

/** A node beats as fast as its connection takes it, in place of every few seconds. */
export const beatFlood: Attack = {
  name: 'beat-flood',
  tries: 'beats of one node without end',
  needs: ['member'],
  async run(stage) {
    let beats = 0
    const { done, failed } = await repeat(stage, 1, async () => {
      const session = await openHttp2(stage, { member: stage.given.member })
      const stream = openCall(session, PATHS.heartbeat)
      stream.write(framed(helloMessage('eager')))
      stream.resume()
      while (!stage.isOver && !stream.destroyed) {
        beats += 100
        if (stream.write(BEATS)) await new Promise(setImmediate)
        else await comesTrue(() => stream.destroyed || !stream.writableNeedDrain, 500)
      }
      session.destroy()
    })
    return { counts: { beats, streams: done, refused: failed } }
  },
}
