import type { Attack } from '../attack.ts'
import { framed, openCall, openHttp2, PATHS } from '../tools/calls.ts'
import { repeat } from '../tools/repeat.ts'

/** Asks for answers and takes none of them: the server must keep them, or end the connection. */
export const slowReader: Attack = {
  name: 'slow-reader',
  tries: 'calls whose answers are never read, with a window of no bytes',
  async run(stage) {
    let asked = 0
    const { done, failed } = await repeat(stage, stage.size(100, 16), async () => {
      const session = await openHttp2(stage, { settings: { initialWindowSize: 0 } })
      await new Promise<void>((resolve) => {
        session.once('close', resolve)
        const ask = setInterval(() => {
          if (stage.isOver || session.destroyed) {
            clearInterval(ask)
            resolve()
            return
          }
          for (let i = 0; i < 8; i++) {
            asked += 1
            openCall(session, PATHS.trustBundle).end(framed(Buffer.alloc(0)))
          }
        }, 20)
      })
    })
    return { counts: { asked, connections: done, refused: failed } }
  },
}
