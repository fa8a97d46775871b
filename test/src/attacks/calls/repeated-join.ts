import type { Attack } from '../attack.ts'
import { call, openHttp2, PATHS, STATUS } from '../tools/calls.ts'
import { repeat } from '../tools/repeat.ts'
import { newCsr, registerMessage } from '../tools/requests.ts'

/** The first join and 30 repeats at once, then one in ten seconds: an agent that gets no answer retries that often. */
const MOST = 35

/** Joins repeatedly with one token and one key: each repeat could be a certificate and a row. */
export const repeatedJoin: Attack = {
  name: 'repeated-join',
  tries: 'one single-use token and one key, repeated',
  needs: ['singleUseToken'],
  counted: ['calls RESOURCE_EXHAUSTED'],
  async run(stage) {
    const message = registerMessage({ token: stage.given.singleUseToken!, csrDer: newCsr() })
    const session = await openHttp2(stage)
    let issued = 0
    const { done, failed } = await repeat(
      stage,
      8,
      async () => {
        const status = await call(session, PATHS.register, message)
        if (status === STATUS.ok) issued += 1
        else throw new Error('refused')
      },
      { least: 2 * MOST },
    )
    return {
      counts: { issued: done, refused: failed },
      allowed: issued > MOST ? `${issued} certificates were issued for one token and key` : undefined,
    }
  },
}
