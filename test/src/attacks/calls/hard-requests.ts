import { randomBytes } from 'node:crypto'
import { newTokenId, newTokenValue } from '@muster/domain'
import type { Attack } from '../attack.ts'
import { call, connectionPool, PATHS, STATUS } from '../tools/calls.ts'
import { repeat } from '../tools/repeat.ts'
import { newCsr, registerMessage } from '../tools/requests.ts'

/** Requests that are as hard to read as they can be: big CSRs, broken CSRs, all labels, text that is no message. */
export const hardRequests: Attack = {
  name: 'hard-requests',
  tries: 'joins with broken and huge certificate requests, 64 labels, and random bytes',
  counted: ['calls RESOURCE_EXHAUSTED', 'calls INVALID_ARGUMENT', 'gate over-budget'],
  async run(stage) {
    const token = newTokenValue(newTokenId())
    const csr = newCsr()
    const broken = Buffer.from(csr)
    broken[broken.length - 5]! ^= 1
    const labels = Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`label-${i}`, 'v'.repeat(200)]))
    const messages = [
      registerMessage({ token, csrDer: broken, labels }),
      registerMessage({ token, csrDer: Buffer.concat([csr, Buffer.alloc(8_000)]) }),
      registerMessage({ token, csrDer: Buffer.alloc(8_000, 0x30) }),
      randomBytes(60_000),
      Buffer.alloc(60_000, 0x0a),
    ]
    const sessions = connectionPool(stage, 4)
    const { done, failed } = await repeat(stage, 16, async (i) => {
      const status = await call(await sessions(i), PATHS.register, messages[i % messages.length]!)
      if (status === STATUS.resourceExhausted) throw new Error('limited')
    })
    return { counts: { answered: done, limited: failed } }
  },
}
