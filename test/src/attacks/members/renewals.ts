import type { Attack } from '../attack.ts'
import { call, connectionPool, PATHS, STATUS } from '../tools/calls.ts'
import { repeat } from '../tools/repeat.ts'

/** A node may renew at once after it joined, and not again soon. */
const MOST = 2

/** A node renews in a loop: each renewal could be a signature, two rows and an event. */
export const renewals: Attack = {
  name: 'renewals',
  tries: 'renewals of one node without end',
  needs: ['member'],
  counted: ['calls RESOURCE_EXHAUSTED'],
  async run(stage) {
    const sessions = connectionPool(stage, 2, { member: stage.given.member })
    let issued = 0
    const { done, failed } = await repeat(stage, 16, async (i) => {
      const status = await call(await sessions(i), PATHS.renew, Buffer.alloc(0))
      if (status !== STATUS.ok) throw new Error('refused')
      issued += 1
    })
    return {
      counts: { renewed: done, refused: failed },
      allowed: issued > MOST ? `one node got ${issued} certificates` : undefined,
    }
  },
}
