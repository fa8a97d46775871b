import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { randomUUID } from 'node:crypto'
import { eventually } from '@muster/testkit'
import type { SpendResult } from './spend.ts'
import {
  addSignupToken,
  addToken,
  auditOf,
  newKey,
  openStore,
  spend,
  usesOnRecord,
  type SpendOverrides,
  type Store,
} from '../../test/support/service.ts'
import { markRevoked } from './token-by-key.ts'

let store: Store
let value: string

beforeAll(async () => {
  store = await openStore()
})
// Every test has a token of its own.
beforeEach(() => {
  value = `secret-${randomUUID()}`
})
afterAll(() => store.close())

/** Spends on this many keys at once, over two replicas. */
function race(keys: readonly Buffer[], overrides?: SpendOverrides): Promise<SpendResult[]> {
  return Promise.all(keys.map((key, i) => spend(store.pools[i % 2]!, value, key, overrides)))
}

/**
 * The same, with all of them exactly at once: the test locks the token's row until every statement has begun, has seen the
 * token as it was, and waits. For tokens with a limit, which are counted.
 */
async function tightRace(tokenId: string, keys: readonly Buffer[], overrides?: SpendOverrides): Promise<SpendResult[]> {
  const holder = await store.pool.connect()
  await holder.query('begin')
  await holder.query('select from tokens where id = $1 for update', [tokenId])
  const results = race(keys, overrides)
  await waitingFor(keys.length)
  await holder.query('commit')
  holder.release()
  return results
}

async function waitingFor(statements: number): Promise<void> {
  const observer = store.observer
  await eventually(`${statements} waiting for a lock`, async () => {
    const { rowCount } = await observer.query(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    return rowCount === statements
  })
}

function keys(count: number): Buffer[] {
  return Array.from({ length: count }, newKey)
}

function outcomes(results: readonly SpendResult[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const result of results) {
    const name = result.outcome === 'spent' ? 'spent' : result.reason
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

function nodeIds(results: readonly SpendResult[]): Set<string> {
  return new Set(results.map((result) => (result.outcome === 'spent' ? result.nodeId : result.reason)))
}

describe('a race', () => {
  test('a race of 64 keys for a single-use token has one winner', async () => {
    const { id } = await addToken(store.pool, value, { maxUses: 1 })
    expect(outcomes(await tightRace(id, keys(64)))).toEqual({ spent: 1, TOKEN_USED_UP: 63 })
    expect(await usesOnRecord(store.pool, id)).toEqual({ uses: 1, spends: 1 })
  })

  test('a race of 64 keys for a token of five uses has five winners, each a node of its own', async () => {
    const { id } = await addToken(store.pool, value, { maxUses: 5 })
    const results = await tightRace(id, keys(64))
    expect(outcomes(results)).toEqual({ spent: 5, TOKEN_USED_UP: 59 })
    expect(nodeIds(results).size).toBe(6)
    expect(await usesOnRecord(store.pool, id)).toEqual({ uses: 5, spends: 5 })
  })

  test('a race of 64 keys for a token without a limit has 64 winners', async () => {
    const { id } = await addToken(store.pool, value)
    const results = await race(keys(64))
    expect(outcomes(results)).toEqual({ spent: 64 })
    expect(nodeIds(results).size).toBe(64)
    expect((await usesOnRecord(store.pool, id)).spends).toBe(64)
  })

  test('a race of one key against itself, 16 times, is one spend and one node', async () => {
    const { id } = await addToken(store.pool, value, { maxUses: 1 })
    const key = newKey()
    const results = await tightRace(
      id,
      Array.from({ length: 16 }, () => key),
    )
    expect(outcomes(results)).toEqual({ spent: 16 })
    expect(nodeIds(results).size).toBe(1)
    expect(await usesOnRecord(store.pool, id)).toEqual({ uses: 1, spends: 1 })
  })

  test('a race of four keys, 16 times each, for a token of two uses has two nodes', async () => {
    const { id } = await addToken(store.pool, value, { maxUses: 2 })
    const four = keys(4)
    const results = await tightRace(
      id,
      Array.from({ length: 64 }, (_, i) => four[i % 4]!),
    )
    expect(outcomes(results)).toEqual({ spent: 32, TOKEN_USED_UP: 32 })
    expect(await usesOnRecord(store.pool, id)).toEqual({ uses: 2, spends: 2 })
  })

  test('a race of 64 keys for a single-use token with restrictions has one winner among those that meet them', async () => {
    const restrictions = { allowCidrs: ['10.0.0.0/8'], allowHostnames: ['web-*'] }
    const { id } = await addToken(store.pool, value, { maxUses: 1, ...restrictions })
    const stranger = await race(keys(32), { remoteAddress: '192.0.2.1', hostname: 'web-1' })
    expect(outcomes(stranger)).toEqual({ TOKEN_RESTRICTED: 32 })
    const results = await tightRace(id, keys(64), { remoteAddress: '10.1.2.3', hostname: 'web-1' })
    expect(outcomes(results)).toEqual({ spent: 1, TOKEN_USED_UP: 63 })
    expect(await usesOnRecord(store.pool, id)).toEqual({ uses: 1, spends: 1 })
    expect(await auditOf(store.pool, id)).toHaveLength(1)
  })

  test('a race of 32 keys for a signup token has one winner', async () => {
    const { id } = await addSignupToken(store.pool, value, 'ada')
    const results = await tightRace(id, keys(32), { userName: 'ada' })
    expect(outcomes(results)).toEqual({ spent: 1, TOKEN_USED_UP: 31 })
    expect(await usesOnRecord(store.pool, id)).toEqual({ uses: 1, spends: 1 })
  })

  test('a race of 64 keys with a revocation ends with the revocation', async () => {
    const { id } = await addToken(store.pool, value)
    const before = race(keys(32))
    const revoked = markRevoked(store.pools[1], [], { id })
    const [early] = await Promise.all([before, revoked])
    // From the commit on, the token admits no node, on either replica.
    expect(outcomes(await race(keys(32)))).toEqual({ TOKEN_REVOKED: 32 })
    const spent = outcomes(early)['spent'] ?? 0
    expect(outcomes(early)).toEqual({
      ...(spent > 0 && { spent }),
      ...(spent < 32 && { TOKEN_REVOKED: 32 - spent }),
    })
    expect((await usesOnRecord(store.pool, id)).spends).toBe(spent)
  })

  test('a race for a token without a limit does not queue on the row of the token', async () => {
    const { id } = await addToken(store.pool, value)
    const holder = await store.pools[1].connect()
    await holder.query('begin')
    await holder.query('select from tokens where id = $1 for update', [id])
    const results = await Promise.all(keys(16).map((key) => spend(store.pool, value, key)))
    expect(outcomes(results)).toEqual({ spent: 16 })
    await holder.query('rollback')
    holder.release()
  })

  test('a race for the last use is decided by the first commit, not by the first arrival', async () => {
    const { id } = await addToken(store.pool, value, { maxUses: 1 })
    const holder = await store.pools[1].connect()
    await holder.query('begin')
    await holder.query('update tokens set uses = 1 where id = $1', [id])
    // Comes while the last use is taken but not committed, and must wait for the outcome.
    const waiting = spend(store.pool, value, newKey())
    await waitingFor(1)
    await holder.query('rollback')
    holder.release()
    expect((await waiting).outcome).toBe('spent')
    expect(await usesOnRecord(store.pool, id)).toEqual({ uses: 1, spends: 1 })
  })
})
