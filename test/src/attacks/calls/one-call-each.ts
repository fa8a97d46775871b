import type { Attack } from '../attack.ts'
import { call, openHttp2, PATHS } from '../tools/calls.ts'
import { repeat } from '../tools/repeat.ts'

/** Does as newcomers do, a connection for each call, so that no limit of one connection applies. */
export const oneCallEach: Attack = {
  name: 'one-call-each',
  tries: 'one anonymous call on each connection, without end',
  async run(stage) {
    const { done, failed } = await repeat(stage, 32, async () => {
      const session = await openHttp2(stage)
      await call(session, PATHS.trustBundle, Buffer.alloc(0))
      session.destroy()
    })
    return { counts: { calls: done, refused: failed } }
  },
}
