import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { violates } from '@muster/postgres'
import { addToken, newKey, openStore, spend, type Store } from './test-support.ts'
import { purgeTokens, revokeToken, selectLiveTokens } from './tokens.ts'

let store: Store
beforeEach(async () => {
  store = await openStore()
})
afterEach(async () => {
  await store.close()
})

async function listed(): Promise<string[]> {
  return (await selectLiveTokens(store.pool, { size: 1_000, after: undefined })).map(({ id }) => id)
}

async function sql(text: string, ...values: unknown[]): Promise<void> {
  await store.pool.query(text, values)
}

async function count(table: 'tokens' | 'spends'): Promise<number> {
  const { rows } = await store.pool.query<{ count: number }>(`select count(*)::int as count from ${table}`)
  return rows[0]!.count
}

describe('the list of tokens', () => {
  test('has those that can still admit someone, soonest expiry first', async () => {
    await addToken(store.pool, 'in an hour', { id: 'hhhhhhhhhh' })
    await addToken(store.pool, 'in a minute', { id: 'mmmmmmmmmm', ttlSeconds: 60 })
    await addToken(store.pool, 'expired', { id: 'eeeeeeeeee' })
    await sql(`update tokens set expires_at = now() where id = 'eeeeeeeeee'`)
    await addToken(store.pool, 'revoked', { id: 'rrrrrrrrrr' })
    await revokeToken(store.pool, { id: 'rrrrrrrrrr' })
    await addToken(store.pool, 'used up', { id: 'uuuuuuuuuu', maxUses: 1 })
    await spend(store.pool, 'used up', newKey())
    await addToken(store.pool, 'half used', { id: 'ffffffffff', maxUses: 2, ttlSeconds: 1_800 })
    await spend(store.pool, 'half used', newKey())
    expect(await listed()).toEqual(['mmmmmmmmmm', 'ffffffffff', 'hhhhhhhhhh'])
  })

  test('counts the uses of every token, whether or not it has a limit', async () => {
    await addToken(store.pool, 'limited', { id: 'llllllllll', maxUses: 9, ttlSeconds: 60 })
    await addToken(store.pool, 'unlimited', { id: 'uuuuuuuuuu' })
    for (const value of ['limited', 'unlimited', 'unlimited']) await spend(store.pool, value, newKey())
    const tokens = await selectLiveTokens(store.pool, { size: 10, after: undefined })
    expect(tokens.map(({ uses, maxUses }) => [uses, maxUses])).toEqual([
      [1, 9],
      [2, undefined],
    ])
  })

  test('can be read in pages without a gap or a repeat, also where expiries are equal', async () => {
    for (let i = 0; i < 23; i++) await addToken(store.pool, `value-${i}`)
    await sql(`update tokens set expires_at = date_trunc('milliseconds', now()) + interval '1 hour'`)
    await addToken(store.pool, 'a later one', { ttlSeconds: 7_200 })
    const all = await listed()
    expect(all).toHaveLength(24)
    const seen: string[] = []
    let after: { expiresAt: Date; id: string } | undefined
    do {
      const page = await selectLiveTokens(store.pool, { size: 5, after })
      seen.push(...page.map(({ id }) => id))
      after = page.at(-1)
    } while (after !== undefined)
    expect(seen).toEqual(all)
  })
})

describe('revoking', () => {
  test('takes an id or a digest, and happens once', async () => {
    const byId = await addToken(store.pool, 'one')
    expect((await revokeToken(store.pool, { id: byId.id }))?.id).toBe(byId.id)
    expect(await revokeToken(store.pool, { id: byId.id })).toBeUndefined()
    const digest = Buffer.alloc(32, 7)
    const byDigest = await addToken(store.pool, 'two', { digest })
    expect((await revokeToken(store.pool, { digest }))?.id).toBe(byDigest.id)
  })

  test('by 16 at once is done by one', async () => {
    const { id } = await addToken(store.pool, 'one')
    const results = await Promise.all(
      store.pools.flatMap((pool) => Array.from({ length: 8 }, () => revokeToken(pool, { id }))),
    )
    expect(results.filter((result) => result !== undefined)).toHaveLength(1)
  })

  test('finds no token that has expired, and none that never was', async () => {
    const { id } = await addToken(store.pool, 'one')
    await sql('update tokens set expires_at = now() where id = $1', id)
    expect(await revokeToken(store.pool, { id })).toBeUndefined()
    expect(await revokeToken(store.pool, { id: 'aaaaaaaaaa' })).toBeUndefined()
  })
})

describe('a value', () => {
  test('that is in use cannot be used for a second token, dead or alive', async () => {
    const { id } = await addToken(store.pool, 'one')
    for (const state of ['alive', 'revoked']) {
      const error: unknown = await addToken(store.pool, 'one').then(
        () => undefined,
        (thrown: unknown) => thrown,
      )
      expect([state, violates(error, 'tokens_digest')]).toEqual([state, true])
      await revokeToken(store.pool, { id })
    }
  })
})

describe('the purge', () => {
  test('forgets tokens that ended before the retention, with their spends, and no others', async () => {
    const old = [
      await addToken(store.pool, 'expired long ago'),
      await addToken(store.pool, 'revoked long ago', { ttlSeconds: 86_400 }),
    ]
    const young = [
      await addToken(store.pool, 'expired now'),
      await addToken(store.pool, 'revoked now'),
      await addToken(store.pool, 'alive'),
      await addToken(store.pool, 'used up long ago', { maxUses: 1 }),
    ]
    for (const value of ['expired long ago', 'revoked long ago', 'expired now', 'alive', 'used up long ago']) {
      await spend(store.pool, value, newKey())
    }
    await sql(`update tokens set expires_at = now() - interval '61 minutes' where id = $1`, old[0]!.id)
    await sql(`update tokens set revoked_at = now() - interval '61 minutes' where id = $1`, old[1]!.id)
    await sql(`update tokens set expires_at = now() - interval '59 minutes' where id = $1`, young[0]!.id)
    await sql(`update tokens set revoked_at = now() - interval '59 minutes' where id = $1`, young[1]!.id)
    await sql(`update spends set spent_at = now() - interval '3 days'`)

    expect(await purgeTokens(store.pool, 3_600)).toBe(2)
    const { rows } = await store.pool.query<{ id: string }>('select id from tokens')
    expect(new Set(rows.map(({ id }) => id))).toEqual(new Set(young.map(({ id }) => id)))
    expect(await count('spends')).toBe(3)
    expect(await purgeTokens(store.pool, 3_600)).toBe(0)
  })
})
