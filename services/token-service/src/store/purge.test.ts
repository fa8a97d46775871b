import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { addToken, newKey, openStore, PEPPER, spend, type Store } from '../../test/support/service.ts'
import { tokenDigest } from '@muster/domain'
import { purgeTokens } from './purge.ts'
import { storeStaticToken } from '../static/static-token-rows.ts'

const untilDone = new AbortController().signal
let store: Store
beforeEach(async () => {
  store = await openStore()
})
afterEach(async () => {
  await store.close()
})

async function sql(text: string, ...values: unknown[]): Promise<void> {
  await store.pool.query(text, values)
}

async function ids(): Promise<Set<string>> {
  const { rows } = await store.pool.query<{ id: string }>('select id from tokens')
  return new Set(rows.map(({ id }) => id))
}

describe('the purge', () => {
  test('the purge deletes tokens that ended before the retention, with their spends, and no others', async () => {
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

    expect(await purgeTokens(store.pool, [], 3_600, untilDone)).toBe(2)
    expect(await ids()).toEqual(new Set(young.map(({ id }) => id)))
    expect((await store.pool.query('select from spends')).rowCount).toBe(3)
    expect(await purgeTokens(store.pool, [], 3_600, untilDone)).toBe(0)
  })

  test('the purge keeps static tokens while a replica has them in its configuration, and for a day at least', async () => {
    const [mine, theirs, nobodys] = ['mine', 'theirs', 'nobodys'].map((value) => tokenDigest(PEPPER, value))
    const made: string[] = []
    for (const digest of [mine!, theirs!, nobodys!]) {
      made.push((await storeStaticToken(store.pool, { digest, roles: ['node'], definedAt: 'token.yaml:2' }))!.id)
    }
    await sql(`update tokens set configured_at = now() - interval '23 hours'`)
    expect(await purgeTokens(store.pool, [mine!], 3_600, untilDone)).toBe(0)
    expect(await purgeTokens(store.pool, [theirs!], 3_600, untilDone)).toBe(0)
    await sql(`update tokens set configured_at = configured_at - interval '2 hours'`)
    expect(await purgeTokens(store.pool, [mine!], 3_600, untilDone)).toBe(1)
    expect(await ids()).toEqual(new Set(made.slice(0, 2)))
  })
})
