import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { readFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { newTokenId, tokenDigest } from '@muster/domain'
import { explaining, storeFunctions } from '@muster/testkit'
import type { Db } from '@muster/postgres'
import { storeStaticToken } from '../static/static-token-rows.ts'
import { addToken, openStore, PEPPER, type Store } from '../../test/support/service.ts'
import { recordSpend } from './spend.ts'
import { markSignupTokensRevoked } from './signup-tokens.ts'
import { markRevoked, moveExpiry, selectToken } from './token-by-key.ts'
import { selectTokens, type TokenFilter } from './token-list.ts'
import { freeName, insertToken } from './tokens.ts'

const TOKENS = 20_000
/** Spends of two tokens, as their statistics mislead Postgres most. */
const SPENDS = 40_000
/** A page of 100 tokens takes about 500; a whole index or table of this size takes more. */
const MOST_PAGES = 700
/** Its matches may be anywhere in the index. */
const SPARSE = 'a page of used tokens'
/** These run in the background, each hour or half minute, and look at every token. */
const MAY_READ_ALL = ['purgeTokens', 'countLiveTokens']

let store: Store
let popular: string
let rare: string

beforeAll(async () => {
  store = await openStore()
  await store.pool.query(
    'alter table tokens set (autovacuum_enabled = off); alter table spends set (autovacuum_enabled = off)',
  )
  await store.pool.query(
    `insert into tokens (id, digest, roles, labels, description, created_by, created_at, expires_at, revoked_at)
     select 'x' || lpad(i::text, 9, 'a'), decode(lpad(to_hex(i), 64, '0'), 'hex'), '{node}', '{}', '', 'ada', now(),
            now() + make_interval(secs => i - $1 / 2), case when i % 10 = 0 then now() end
       from generate_series(1, $1::int) i`,
    [TOKENS],
  )
  popular = (await addToken(store.pool, 'a popular token of many machines')).id
  rare = (await addToken(store.pool, 'a token of one machine')).id
  await store.pool.query(
    `insert into spends (token_id, key_fingerprint, node_id)
     select case when i = 1 then $2 else $1 end, decode(lpad(to_hex(i), 64, '0'), 'hex'), gen_random_uuid()
       from generate_series(1, $3::int) i`,
    [popular, rare, SPENDS],
  )
})
afterAll(async () => {
  await store.close()
})

const ALL: TokenFilter = {
  types: [],
  states: ['live', 'usedUp', 'expired', 'revoked'],
  roles: [],
  labels: {},
  used: false,
}
const LIVE: TokenFilter = { ...ALL, states: ['live', 'usedUp'] }
/** Before the popular token, so that its spends are not counted. */
const FIRST_PAGE = { size: 100, after: undefined }

const CALLS: Record<string, (db: Db) => Promise<unknown>> = {
  'a page of live tokens': (db) => selectTokens(db, [], LIVE, FIRST_PAGE),
  'a page of all tokens': (db) => selectTokens(db, [], ALL, FIRST_PAGE),
  [SPARSE]: (db) => selectTokens(db, [], { ...LIVE, used: true }, FIRST_PAGE),
  'a page in the middle': (db) =>
    selectTokens(db, [], ALL, { size: 100, after: { expiresAt: new Date(Date.now() + 60_000), id: 'x' } }),
  'one token by id': (db) => selectToken(db, [], { id: rare }),
  'one token by value': (db) => selectToken(db, [], { digest: tokenDigest(PEPPER, 'a token of one machine') }),
  'a spend': (db) => recordSpend(db, [], spendOf('a popular token of many machines')),
  'a spend of an unknown value': (db) => recordSpend(db, [], spendOf('a value that no token has')),
  'a revocation': (db) => markRevoked(db, [], { id: 'x000000001' }),
  'an extension': (db) => moveExpiry(db, [], { id: 'xaaaa19999' }, 60),
  'the revocation of signup tokens': (db) =>
    markSignupTokensRevoked(db, { userName: 'ada', revokedBy: 'eve', tokenId: undefined }),
  'a new token': (db) => insertToken(db, { ...NEW_TOKEN, id: newTokenId(), digest: randomBytes(32) }),
  'a freed name': (db) => freeName(db, 'ci'),
  'a static token': (db) =>
    storeStaticToken(db, { digest: tokenDigest(PEPPER, 'static'), roles: ['node'], definedAt: 'a.yaml:1' }),
}

const NEW_TOKEN = {
  type: 'join' as const,
  name: undefined,
  roles: ['node' as const],
  labels: {},
  description: '',
  botName: undefined,
  userName: undefined,
  nodeLabels: {},
  allowCidrs: [],
  allowHostnames: [],
  createdBy: 'ada',
  ttlSeconds: 60,
  maxUses: 2,
}

function spendOf(value: string) {
  return {
    digest: tokenDigest(PEPPER, value),
    keyFingerprint: Buffer.alloc(32, 7),
    candidateNodeId: '0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e11',
    purpose: { roles: ['node' as const], hostname: 'h' },
    remoteAddress: '10.0.0.1',
    actor: 'spiffe://c/service/registration-service',
  }
}

describe.each(['without', 'with'])('statements %s statistics', (statistics) => {
  beforeAll(async () => {
    if (statistics === 'with') await store.pool.query('analyze')
  })

  test.each(Object.keys(CALLS))('a statement for %s reads no table whole and few pages', async (name) => {
    const { db, statements } = explaining(store.pool)
    await CALLS[name]!(db)
    expect(statements.length).toBeGreaterThan(0)
    for (const { text, pages, wholeTables } of statements) {
      expect({ text, wholeTables }).toEqual({ text, wholeTables: [] })
      // Without statistics, which last a minute, Postgres may sort what it finds in an index.
      const limit = statistics === 'with' && name !== SPARSE ? MOST_PAGES : Infinity
      expect({ text, pages: Math.max(pages, limit) }).toEqual({ text, pages: limit })
    }
  })
})

test('a statement that counts the spends of a popular token reads its part of one index', async () => {
  await store.pool.query('vacuum analyze spends')
  const { db, statements } = explaining(store.pool)
  expect((await selectToken(db, [], { id: popular }))!.uses).toBeGreaterThanOrEqual(SPENDS - 1)
  expect(statements.map(({ wholeTables }) => wholeTables)).toEqual([[]])
  expect(statements[0]!.pages).toBeLessThan(1_000)
})

test('a statement of every function of the store is explained here', async () => {
  const names = await storeFunctions(import.meta.dirname)
  const source = readFileSync(import.meta.filename, 'utf8')
  expect(names.length).toBeGreaterThan(5)
  const missing = names.filter((name) => !MAY_READ_ALL.includes(name) && !source.includes(`${name}(db`))
  expect(missing).toEqual([])
})
