import type { Attack } from '../attack.ts'
import { framed, openCall, connectionPool, PATHS } from '../tools/calls.ts'
import { repeat } from '../tools/repeat.ts'
import { helloMessage } from '../tools/requests.ts'

/** A hello is a write to Postgres: a node repeatedly sends a hello with as many labels as it may have and ends the stream. */
export const helloFlood: Attack = {
  name: 'hello-flood',
  tries: 'streams of one node that say hello with 64 labels and end, without end',
  needs: ['member'],
  async run(stage) {
    const sessions = connectionPool(stage, 1, { member: stage.given.member })
    const { done, failed } = await repeat(stage, 4, async (i) => {
      const labels = Object.fromEntries(Array.from({ length: 64 }, (_, n) => [`label-${n}`, `${i}-${'v'.repeat(180)}`]))
      const stream = openCall(await sessions(i), PATHS.heartbeat)
      const answered = new Promise<void>((resolve, reject) => {
        stream.once('data', () => resolve())
        stream.once('close', () => reject(new Error('refused')))
      })
      stream.write(framed(helloMessage('chatty', labels)))
      await answered.finally(() => stream.close())
    })
    return { counts: { hellos: done, refused: failed } }
  },
}
