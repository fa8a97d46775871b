import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { tokenDigest } from '@muster/domain'
import { storeStaticToken } from '../static/static-token-rows.ts'
import { addSignupToken, addToken, newKey, openStore, PEPPER, spend, type Store } from '../../test/support/service.ts'
import { selectTokens, type Page, type TokenFilter } from './token-list.ts'
import type { StoredToken } from './tokens.ts'

let store: Store
beforeEach(async () => {
  store = await openStore()
})
afterEach(async () => {
  await store.close()
})

const STATIC = tokenDigest(PEPPER, 'static')
const EVERYTHING: TokenFilter = {
  types: [],
  states: ['live', 'expired', 'usedUp', 'revoked'],
  roles: [],
  labels: {},
  used: false,
}

function select(filter: Partial<TokenFilter> = {}, page: Partial<Page> = {}): Promise<StoredToken[]> {
  const wanted: TokenFilter = { ...EVERYTHING, states: ['live'], ...filter }
  return selectTokens(store.pool, [STATIC], wanted, { size: 1_000, after: undefined, ...page })
}

async function listed(filter: Partial<TokenFilter> = {}): Promise<string[]> {
  return (await select(filter)).map(({ id }) => id)
}

async function sql(text: string, ...values: unknown[]): Promise<void> {
  await store.pool.query(text, values)
}

/** One token of every kind and state, the soonest expiry first; each id describes its token. */
async function addEveryKind(): Promise<void> {
  await addToken(store.pool, 'revoked', { id: 'revokedxxx', ttlSeconds: 10 })
  await sql(`update tokens set revoked_at = now() where id = 'revokedxxx'`)
  await addToken(store.pool, 'in a minute', { id: 'minutexxxx', ttlSeconds: 60, labels: { env: 'prod', rack: '7' } })
  await addToken(store.pool, 'used up', { id: 'usedupxxxx', maxUses: 1, ttlSeconds: 600 })
  await spend(store.pool, 'used up', newKey())
  await addToken(store.pool, 'half used', { id: 'halfusedxx', maxUses: 2, ttlSeconds: 1_800, roles: ['db', 'node'] })
  await spend(store.pool, 'half used', newKey())
  await addToken(store.pool, 'in an hour', { id: 'hourxxxxxx', labels: { env: 'prod' }, roles: ['proxy'] })
  await spend(store.pool, 'in an hour', newKey(), { roles: ['proxy'] })
  await addSignupToken(store.pool, 'signup', 'ada')
  await sql(`update tokens set id = 'signupxxxx' where type = 'signup'`)
  await addToken(store.pool, 'expired', { id: 'expiredxxx' })
  await sql(`update tokens set expires_at = now() where id = 'expiredxxx'`)
  await storeStaticToken(store.pool, { digest: STATIC, roles: ['node'], definedAt: 'token.yaml:2' })
  await storeStaticToken(store.pool, { digest: Buffer.alloc(32), roles: ['node'], definedAt: 'token.yaml:3' })
  await sql(
    `update tokens set id = case digest when $1 then 'staticxxxx' else 'unknownxxx' end where type = 'static'`,
    STATIC,
  )
}

describe('the list of tokens', () => {
  test('the list of tokens has those that can still admit someone, soonest expiry first, static ones last', async () => {
    await addEveryKind()
    expect(await listed()).toEqual(['minutexxxx', 'halfusedxx', 'hourxxxxxx', 'signupxxxx', 'staticxxxx'])
  })

  test('the list of tokens describes each token and its state', async () => {
    await addEveryKind()
    const found = await select(EVERYTHING)
    expect(found.map(({ id, type, state, uses }) => [id, type, state, uses])).toEqual([
      ['expiredxxx', 'join', 'expired', 0],
      ['revokedxxx', 'join', 'revoked', 0],
      ['minutexxxx', 'join', 'live', 0],
      ['usedupxxxx', 'join', 'usedUp', 1],
      ['halfusedxx', 'join', 'live', 1],
      ['hourxxxxxx', 'join', 'live', 1],
      ['signupxxxx', 'signup', 'live', 0],
      ['staticxxxx', 'static', 'live', 0],
      ['unknownxxx', 'static', 'revoked', 0],
    ])
    expect(found.at(-1)).toMatchObject({ expiresAt: undefined, createdBy: 'token.yaml:3' })
    expect(found.at(1)!.revokedAt).toBeInstanceOf(Date)
    expect(found.at(-3)).toMatchObject({ userName: 'ada', roles: [], maxUses: 1 })
  })

  test.each<[string, Partial<TokenFilter>, string[]]>([
    ['a type', { types: ['static'] }, ['staticxxxx']],
    ['types', { types: ['signup', 'static'] }, ['signupxxxx', 'staticxxxx']],
    ['a role', { roles: ['db'] }, ['halfusedxx']],
    ['roles, of which one is enough', { roles: ['db', 'proxy'] }, ['halfusedxx', 'hourxxxxxx']],
    ['a label', { labels: { env: 'prod' } }, ['minutexxxx', 'hourxxxxxx']],
    ['labels, all of them', { labels: { env: 'prod', rack: '7' } }, ['minutexxxx']],
    ['use', { used: true }, ['halfusedxx', 'hourxxxxxx']],
    ['being used up', { states: ['usedUp'] }, ['usedupxxxx']],
    ['having expired', { states: ['expired'] }, ['expiredxxx']],
    ['having been revoked', { states: ['revoked'] }, ['revokedxxx', 'unknownxxx']],
    ['having ended', { states: ['expired', 'revoked'] }, ['expiredxxx', 'revokedxxx', 'unknownxxx']],
    ['use and any state', { ...EVERYTHING, used: true }, ['usedupxxxx', 'halfusedxx', 'hourxxxxxx']],
    ['several at once', { roles: ['proxy'], labels: { env: 'prod' }, used: true, types: ['join'] }, ['hourxxxxxx']],
    ['what no token has', { labels: { env: 'test' } }, []],
  ])('the list of tokens can be filtered by %s', async (_what, filter, expected) => {
    await addEveryKind()
    expect(await listed(filter)).toEqual(expected)
  })

  test('the list of tokens puts every token in one state, also one that has expired, is used up and is revoked', async () => {
    await addToken(store.pool, 'one', { maxUses: 1 })
    await spend(store.pool, 'one', newKey())
    const states = async () => (await select(EVERYTHING)).map(({ state }) => state)
    expect(await states()).toEqual(['usedUp'])
    await sql('update tokens set expires_at = now()')
    expect(await states()).toEqual(['expired'])
    await sql('update tokens set revoked_at = now()')
    expect(await states()).toEqual(['revoked'])
    for (const state of EVERYTHING.states) {
      expect([state, (await listed({ states: [state] })).length]).toEqual([state, state === 'revoked' ? 1 : 0])
    }
  })

  test('the list of tokens counts the uses of every token, whether or not it has a limit', async () => {
    await addToken(store.pool, 'limited', { maxUses: 9, ttlSeconds: 60 })
    await addToken(store.pool, 'unlimited')
    for (const value of ['limited', 'unlimited', 'unlimited']) await spend(store.pool, value, newKey())
    expect((await select()).map(({ uses, maxUses }) => [uses, maxUses])).toEqual([
      [1, 9],
      [2, undefined],
    ])
  })

  test('the list of thousands of tokens can be read in pages without a gap or a repeat, also where expiries are equal', async () => {
    // Three expiries for 5,000 tokens, and some that never expire.
    await sql(
      `
      insert into tokens (id, digest, type, roles, labels, description, created_by, expires_at, configured_at)
      select 'id' || lpad(n::text, 8, '0'), sha256(n::text::bytea),
             case when n % 1000 = 0 then 'static' else 'join' end, '{node}', '{}', '', 'ada',
             case when n % 1000 = 0 then 'infinity'
                  else date_trunc('milliseconds', now()) + make_interval(hours => 1 + n % 3) end,
             case when n % 1000 = 0 then now() end
        from generate_series(1, 5000) as n`,
    )
    const { rows } = await store.pool.query<{ id: string }>('select id from tokens order by expires_at, id')
    const all = { ...EVERYTHING, states: ['live', 'revoked'] as const }
    const seen: string[] = []
    let after: Page['after']
    do {
      const page = await select(all, { size: 997, after })
      expect(page.length).toBeLessThanOrEqual(997)
      seen.push(...page.map(({ id }) => id))
      after = page.at(-1)
    } while (after !== undefined)
    expect(seen).toEqual(rows.map(({ id }) => id))
    expect(seen).toHaveLength(5_000)
  })

  test('the list of tokens is read in pages that stay in order while tokens come and go', async () => {
    for (let i = 0; i < 10; i++) await addToken(store.pool, `value-${i}`, { ttlSeconds: 600 + i })
    const [first, second] = await select({}, { size: 2 })
    await addToken(store.pool, 'sooner', { ttlSeconds: 60 })
    await sql('update tokens set revoked_at = now() where id = $1', second!.id)
    const rest = await select({}, { size: 20, after: second })
    expect(rest).toHaveLength(8)
    expect(rest.map(({ id }) => id)).not.toContain(first!.id)
  })
})
