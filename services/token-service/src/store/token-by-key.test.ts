import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { tokenDigest } from '@muster/domain'
import { violates } from '@muster/postgres'
import { storeStaticToken } from '../static/static-token-rows.ts'
import { addSignupToken, addToken, newKey, openStore, PEPPER, spend, type Store } from '../../test/support/service.ts'
import { moveExpiry, markRevoked, selectToken, tokenKey, tokenKeyOrValue } from './token-by-key.ts'

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

describe('a token', () => {
  test('a token is found by id and name, in any state, and not by its value', async () => {
    const { id } = await addToken(store.pool, 'the-value-of-a-token', { name: 'rack-7' })
    const find = (text: string) => selectToken(store.pool, [], tokenKey(text))
    expect((await find(id))?.state).toBe('live')
    expect((await find('rack-7'))?.id).toBe(id)
    for (const text of ['the-value-of-a-token', '', 'a\0b', 'aaaaaaaaaa', 'Rack-7'])
      expect(await find(text)).toBeUndefined()
    await markRevoked(store.pool, [], { id })
    expect((await find('rack-7'))?.state).toBe('revoked')
  })

  test("a token is found by its value rather than by a name that is another's value", async () => {
    const text = 'a-name-and-a-value'
    await addToken(store.pool, 'other', { name: text })
    const byValue = await addToken(store.pool, text)
    expect((await selectToken(store.pool, [], tokenKeyOrValue(text, PEPPER)))?.id).toBe(byValue.id)
  })
})

describe('revoking', () => {
  test('revoking takes an id or a digest, and happens once', async () => {
    const byId = await addToken(store.pool, 'one')
    expect((await markRevoked(store.pool, [], { id: byId.id }))?.id).toBe(byId.id)
    expect(await markRevoked(store.pool, [], { id: byId.id })).toBeUndefined()
    const digest = Buffer.alloc(32, 7)
    const byDigest = await addToken(store.pool, 'two', { digest })
    expect((await markRevoked(store.pool, [], { digest }))?.id).toBe(byDigest.id)
  })

  test('revoking by 64 callers at once is done by one', async () => {
    const { id } = await addToken(store.pool, 'one')
    const results = await Promise.all(
      store.pools.flatMap((pool) => Array.from({ length: 32 }, () => markRevoked(pool, [], { id }))),
    )
    expect(results.filter((result) => result !== undefined)).toHaveLength(1)
  })

  test('revoking finds no token that has expired or never existed', async () => {
    const { id } = await addToken(store.pool, 'one')
    await sql('update tokens set expires_at = now() where id = $1', id)
    expect(await markRevoked(store.pool, [], { id })).toBeUndefined()
    expect(await markRevoked(store.pool, [], { id: 'aaaaaaaaaa' })).toBeUndefined()
  })
})

describe('extending', () => {
  const expiry = async (id: string) => (await selectToken(store.pool, [], { id }))!.expiresAt!.getTime()

  test('extending counts from now, and can be repeated', async () => {
    const { id } = await addToken(store.pool, 'one', { ttlSeconds: 60, name: 'one' })
    for (const key of [{ id }, { name: 'one' }]) {
      const before = Date.now()
      expect((await moveExpiry(store.pool, [], key, 7_200))?.id).toBe(id)
      expect(Math.abs((await expiry(id)) - before - 7_200_000)).toBeLessThan(60_000)
    }
  })

  test('extending finds no token that has ended, and none of another type', async () => {
    const ended = await addToken(store.pool, 'one', { maxUses: 1 })
    await spend(store.pool, 'one', newKey())
    const signup = await addSignupToken(store.pool, 'two', 'ada')
    const digest = tokenDigest(PEPPER, 'three')
    const fixed = await storeStaticToken(store.pool, { digest, roles: ['node'], definedAt: 'token.yaml:2' })
    for (const { id } of [ended, signup, fixed!]) {
      expect(await moveExpiry(store.pool, [digest], { id }, 60)).toBeUndefined()
    }
    await sql('update tokens set uses = 0, expires_at = now() where id = $1', ended.id)
    expect(await moveExpiry(store.pool, [], { id: ended.id }, 60)).toBeUndefined()
  })

  test('extending by 32 callers while 32 others revoke ends with the token revoked', async () => {
    const { id } = await addToken(store.pool, 'one')
    const extensions: Promise<unknown>[] = []
    const revocations: ReturnType<typeof markRevoked>[] = []
    for (let i = 0; i < 32; i++) {
      extensions.push(moveExpiry(store.pools[i % 2]!, [], { id }, 60 + i))
      revocations.push(markRevoked(store.pools[(i + 1) % 2]!, [], { id }))
    }
    await Promise.all(extensions)
    expect((await Promise.all(revocations)).filter((found) => found !== undefined)).toHaveLength(1)
    expect((await selectToken(store.pool, [], { id }))?.state).toBe('revoked')
    expect(await spend(store.pools[1], 'one', newKey())).toMatchObject({ reason: 'TOKEN_REVOKED' })
    expect(await moveExpiry(store.pool, [], { id }, 60)).toBeUndefined()
  })
})

describe('token values in use', () => {
  test('a value that is in use cannot be used for a second token, whether its token is live or has ended', async () => {
    const { id } = await addToken(store.pool, 'one')
    for (const state of ['alive', 'revoked']) {
      const error: unknown = await addToken(store.pool, 'one').then(
        () => undefined,
        (thrown: unknown) => thrown,
      )
      expect([state, violates(error, 'tokens_digest')]).toEqual([state, true])
      await markRevoked(store.pool, [], { id })
    }
  })
})
