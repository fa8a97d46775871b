import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { randomUUID } from 'node:crypto'
import {
  addSignupToken,
  addToken,
  newKey,
  openStore,
  spend,
  usesOnRecord,
  type SpendOverrides,
  type Store,
} from '../../test/support/service.ts'
import { REPEAT_COSTS_SECONDS, REPEATS_AT_ONCE } from './spend-statement.ts'

let store: Store

beforeAll(async () => {
  store = await openStore()
})
afterAll(async () => {
  await store.close()
})

/** Spends the same value on the same key this often at once, over two replicas. */
async function repeat(value: string, key: Buffer, count: number, overrides?: SpendOverrides) {
  const spends = Array.from({ length: count }, (_, i) => spend(store.pools[i % 2]!, value, key, overrides))
  const results = await Promise.all(spends)
  const nodeIds = results.flatMap((result) => (result.outcome === 'spent' ? [result.nodeId] : []))
  const refused = results.flatMap((result) => (result.outcome === 'refused' ? [result] : []))
  return { spent: nodeIds.length, nodes: new Set(nodeIds).size, refused }
}

/** Moves everything that is paid for into the past, as if this time had passed. */
async function letTimePass(tokenId: string, seconds: number): Promise<void> {
  await store.pool.query(
    'update spends set repeats_paid_until = repeats_paid_until - make_interval(secs => $2) where token_id = $1',
    [tokenId, seconds],
  )
}

describe('the same key with the same token', () => {
  test.each([
    ['a token without a limit', undefined],
    ['a token that the key uses up', 1],
  ])(
    'the same key with the same token repeats a spend of %s a bounded number of times at once, in a race of 64 too',
    async (_what, maxUses) => {
      const value = `secret-${randomUUID()}`
      const { id } = await addToken(store.pool, value, { maxUses })
      const { spent, nodes, refused } = await repeat(value, newKey(), 64)
      // The first spend is not a repeat.
      expect({ spent, nodes }).toEqual({ spent: 1 + REPEATS_AT_ONCE, nodes: 1 })
      expect(new Set(refused.map(({ reason }) => reason))).toEqual(new Set(['SPENT_JUST_NOW']))
      for (const { tokenId, retryAfterMs } of refused) {
        expect(tokenId).toBe(id)
        expect(retryAfterMs).toBeGreaterThan(0)
        expect(retryAfterMs).toBeLessThanOrEqual(REPEAT_COSTS_SECONDS * 1_000)
      }
      expect((await usesOnRecord(store.pool, id)).spends).toBe(1)
    },
  )

  test('the same key with the same token repeats once more after the time to wait, which refused repeats do not extend', async () => {
    const value = `secret-${randomUUID()}`
    const key = newKey()
    const { id } = await addToken(store.pool, value, { maxUses: 1 })
    await repeat(value, key, REPEATS_AT_ONCE + 20)
    const { refused } = await repeat(value, key, 1)
    await letTimePass(id, refused[0]!.retryAfterMs! / 1_000)
    expect(await repeat(value, key, 2)).toMatchObject({ spent: 1, refused: [{ reason: 'SPENT_JUST_NOW' }] })
  })

  test('the same key with the same token has all its repeats again after a quiet time', async () => {
    const value = `secret-${randomUUID()}`
    const key = newKey()
    const { id } = await addToken(store.pool, value)
    await repeat(value, key, REPEATS_AT_ONCE + 2)
    await letTimePass(id, REPEATS_AT_ONCE * REPEAT_COSTS_SECONDS)
    expect((await repeat(value, key, REPEATS_AT_ONCE + 2)).spent).toBe(REPEATS_AT_ONCE)
  })

  test('the same key with the same token over its rate delays no other key', async () => {
    const value = `secret-${randomUUID()}`
    await addToken(store.pool, value)
    await repeat(value, newKey(), REPEATS_AT_ONCE + 2)
    expect((await spend(store.pool, value, newKey())).outcome).toBe('spent')
  })

  test('the same key with the same token over its rate is told what else is wrong with the token', async () => {
    const value = `secret-${randomUUID()}`
    const key = newKey()
    await addToken(store.pool, value, { allowCidrs: ['127.0.0.0/8'] })
    await repeat(value, key, REPEATS_AT_ONCE + 2)
    const elsewhere = await spend(store.pool, value, key, { remoteAddress: '192.0.2.1' })
    expect(elsewhere).toMatchObject({ reason: 'TOKEN_RESTRICTED' })
  })

  test('the same key with the same token has the same rate for a signup', async () => {
    const value = `secret-${randomUUID()}`
    await addSignupToken(store.pool, value, 'ada')
    const { spent } = await repeat(value, newKey(), 64, { userName: 'ada' })
    expect(spent).toBe(1 + REPEATS_AT_ONCE)
  })
})
