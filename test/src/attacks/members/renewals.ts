import type { Attack } from '../attack.ts'
import { call, openHttp2, PATHS, STATUS } from '../tools/calls.ts'
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
    const session = await openHttp2(stage, { member: stage.given.member })
    let issued = 0
    const { done, failed } = await repeat(stage, 16, async () => {
      const status = await call(session, PATHS.renew, Buffer.alloc(0))
      if (status !== STATUS.ok) throw new Error('refused')
      issued += 1
    })
    return {
      counts: { renewed: done, refused: failed },
      allowed: issued > MOST ? `one node got ${issued} certificates` : undefined,
    }
  },
}
