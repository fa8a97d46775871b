import type { Attack } from '../attack.ts'
import { call, connectionPool, PATHS, STATUS } from '../tools/calls.ts'
import { repeat } from '../tools/repeat.ts'

/** A node makes calls that only people may make: each refusal could be a row of the audit. */
export const forbiddenCalls: Attack = {
  name: 'forbidden-calls',
  tries: 'calls of one node that are for people, without end',
  needs: ['member'],
  counted: ['calls PERMISSION_DENIED'],
  async run(stage) {
    const paths = [PATHS.watchNodes, '/muster.registration.v1.RegistrationService/ListNodes']
    const sessions = connectionPool(stage, 2, { member: stage.given.member })
    let granted = 0
    const { done, failed } = await repeat(stage, 32, async (i) => {
      const status = await call(await sessions(i), paths[i % 2]!, Buffer.alloc(0))
      if (status === STATUS.ok) granted += 1
    })
    return {
      counts: { refused: done, failed },
      allowed: granted > 0 ? `${granted} calls were answered that are not a node's` : undefined,
    }
  },
}
