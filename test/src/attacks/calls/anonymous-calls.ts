import type { Attack } from '../attack.ts'
import { call, connectionPool, PATHS } from '../tools/calls.ts'
import { repeat } from '../tools/repeat.ts'

/** Makes calls that are open to anyone: each call could be a line of the log. */
export const anonymousCalls: Attack = {
  name: 'anonymous-calls',
  tries: 'calls that need no identity, and some that do, without end',
  async run(stage) {
    const paths = [PATHS.trustBundle, PATHS.checkHealth, PATHS.renew, '/no.such.Service/Method']
    const sessions = connectionPool(stage, 8)
    const { done, failed } = await repeat(stage, 64, async (i) =>
      call(await sessions(i), paths[i % paths.length]!, Buffer.alloc(0)),
    )
    return { counts: { calls: done, failed } }
  },
}
