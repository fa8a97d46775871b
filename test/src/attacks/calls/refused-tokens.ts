import { newTokenId, newTokenValue } from '@muster/domain'
import type { Attack } from '../attack.ts'
import { call, connectionPool, PATHS, STATUS } from '../tools/calls.ts'
import { repeat } from '../tools/repeat.ts'
import { newCsr, registerMessage } from '../tools/requests.ts'

/** What one source may have refused in a minute, and the calls that are on their way at the limit. */
const MOST_ASKED = 60

/** Tries tokens that look generated and are not known, as fast as four connections allow. */
export const refusedTokens: Attack = {
  name: 'refused-tokens',
  tries: 'joins with well-formed tokens that do not exist, over four connections',
  counted: ['calls RESOURCE_EXHAUSTED', 'gate over-budget'],
  allowed(rise) {
    const asked = rise('calls PERMISSION_DENIED')
    return asked > 4 * MOST_ASKED ? `token-service was asked about ${asked} refused tokens` : undefined
  },
  async run(stage) {
    const csrDer = newCsr()
    const sessions = connectionPool(stage, 4)
    const { done, failed } = await repeat(stage, 16, async (i) => {
      const token = newTokenValue(newTokenId())
      const status = await call(await sessions(i), PATHS.register, registerMessage({ token, csrDer }))
      if (status === STATUS.resourceExhausted) throw new Error('limited')
    })
    return { counts: { refused: done, limited: failed } }
  },
}
