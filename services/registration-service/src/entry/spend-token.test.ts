import { expect, test } from '@jest/globals'
import type { CallContext } from '@muster/rpc'
import { FakeTokens } from '../../test/support/fake-services.ts'
import { factsOf } from './attempt-facts.ts'
import { spendToken } from './spend-token.ts'

/** The error that a spend ends with when token-service refuses it like this. */
async function refusedWith(refused: { reason: string; retryAfterMs?: number }) {
  const tokens = new FakeTokens()
  tokens.refusal = () => refused
  const request = { value: 'x', keyFingerprint: Buffer.alloc(32), purpose: undefined }
  const spend = spendToken({ tokens }, request, {} as CallContext)
  return factsOf(
    await spend.then(
      () => undefined,
      (thrown: unknown) => thrown,
    ),
  ).error
}

test('a key that repeats its spend too often is told how long to wait', async () => {
  expect(await refusedWith({ reason: 'SPENT_JUST_NOW', retryAfterMs: 7_000 })).toMatchObject({
    kind: 'resourceExhausted',
    reason: 'SPENT_JUST_NOW',
    retryAfterMs: 7_000,
  })
})

test('any other refusal carries no time to wait', async () => {
  expect(await refusedWith({ reason: 'TOKEN_USED_UP' })).toMatchObject({ retryAfterMs: undefined })
})
