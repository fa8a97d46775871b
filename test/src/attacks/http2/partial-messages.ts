import type { Attack } from '../attack.ts'
import { framed, openCall, openHttp2, PATHS } from '../tools/calls.ts'
import { times, untilOver } from '../tools/repeat.ts'

/** Almost all of the largest message that the server takes. */
const PART = framed(Buffer.alloc(60_000), 64 * 1024 - 8)

/** Sends requests that lack their end, so that the server keeps what it has of them. */
export const partialMessages: Attack = {
  name: 'partial-messages',
  tries: 'requests of 64 KiB that lack their last bytes',
  counted: ['calls RESOURCE_EXHAUSTED', 'gate over-budget'],
  async run(stage) {
    let sent = 0
    let open = 0
    await times(stage, stage.size(100, 12), 8, async () => {
      const session = await openHttp2(stage)
      for (let i = 0; i < 40 && !session.destroyed; i++) {
        const stream = openCall(session, PATHS.register)
        open += 1
        stream.once('close', () => (open -= 1))
        stream.resume()
        stream.write(PART, () => (sent += 1))
      }
    })
    await untilOver(stage)
    return { counts: { sent, held: open } }
  },
}
