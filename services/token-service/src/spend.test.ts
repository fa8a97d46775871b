import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { randomUUID } from 'node:crypto'
import { tokenDigest } from '@muster/domain'
import { eventually } from '@muster/testkit'
import type { SpendResult } from './spend.ts'
import { addToken, newKey, openStore, spend, type Store } from './test-support.ts'
import { revokeToken } from './tokens.ts'

let store: Store
let value: string

beforeAll(async () => {
  store = await openStore()
})
afterAll(async () => {
  await store.close()
})

/** Every test has a token of its own. */
function newValue(): string {
  value = `secret-${randomUUID()}`
  return value
}

/** Spends on this many keys at once, over two replicas. */
function race(keys: readonly Buffer[]): Promise<SpendResult[]> {
  return Promise.all(keys.map((key, i) => spend(store.pools[i % 2]!, value, key)))
}

/**
 * The same, with all of them really at once: the token's row is held until every statement has begun, has seen the token
 * as it was, and waits. For tokens with a limit, which are counted.
 */
async function tightRace(tokenId: string, keys: readonly Buffer[]): Promise<SpendResult[]> {
  const holder = await store.pool.connect()
  await holder.query('begin')
  await holder.query('select from tokens where id = $1 for update', [tokenId])
  const results = race(keys)
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

async function onRecord(tokenId: string): Promise<{ uses: number; spends: number }> {
  const { rows } = await store.pool.query<{ uses: number; spends: number }>(
    `select uses, (select count(*)::int from spends where token_id = $1) as spends from tokens where id = $1`,
    [tokenId],
  )
  return rows[0]!
}

async function expire(tokenId: string): Promise<void> {
  await store.pool.query(`update tokens set expires_at = now() - interval '1 second' where id = $1`, [tokenId])
}

async function moveSpends(tokenId: string, interval: string): Promise<void> {
  await store.pool.query(`update spends set spent_at = now() - $2::interval where token_id = $1`, [tokenId, interval])
}

describe('a race', () => {
  test('of 64 keys for a single-use token has one winner', async () => {
    const { id } = await addToken(store.pool, newValue(), { maxUses: 1 })
    expect(outcomes(await tightRace(id, keys(64)))).toEqual({ spent: 1, TOKEN_USED_UP: 63 })
    expect(await onRecord(id)).toEqual({ uses: 1, spends: 1 })
  })

  test('of 64 keys for a token of five uses has five winners, each a node of its own', async () => {
    const { id } = await addToken(store.pool, newValue(), { maxUses: 5 })
    const results = await tightRace(id, keys(64))
    expect(outcomes(results)).toEqual({ spent: 5, TOKEN_USED_UP: 59 })
    expect(nodeIds(results).size).toBe(6)
    expect(await onRecord(id)).toEqual({ uses: 5, spends: 5 })
  })

  test('of 64 keys for a token without a limit has 64 winners', async () => {
    const { id } = await addToken(store.pool, newValue())
    const results = await race(keys(64))
    expect(outcomes(results)).toEqual({ spent: 64 })
    expect(nodeIds(results).size).toBe(64)
    expect((await onRecord(id)).spends).toBe(64)
  })

  test('of one key against itself, 16 times, is one spend and one node', async () => {
    const { id } = await addToken(store.pool, newValue(), { maxUses: 1 })
    const key = newKey()
    const results = await tightRace(
      id,
      Array.from({ length: 16 }, () => key),
    )
    expect(outcomes(results)).toEqual({ spent: 16 })
    expect(nodeIds(results).size).toBe(1)
    expect(await onRecord(id)).toEqual({ uses: 1, spends: 1 })
  })

  test('of four keys, 16 times each, for a token of two uses has two nodes', async () => {
    const { id } = await addToken(store.pool, newValue(), { maxUses: 2 })
    const four = keys(4)
    const results = await tightRace(
      id,
      Array.from({ length: 64 }, (_, i) => four[i % 4]!),
    )
    expect(outcomes(results)).toEqual({ spent: 32, TOKEN_USED_UP: 32 })
    expect(await onRecord(id)).toEqual({ uses: 2, spends: 2 })
  })

  test('of 64 keys with a revocation ends with the revocation', async () => {
    const { id } = await addToken(store.pool, newValue())
    const before = race(keys(32))
    const revoked = revokeToken(store.pools[1], { id })
    const [early] = await Promise.all([before, revoked])
    // From its commit on the token admits nobody, on either replica.
    expect(outcomes(await race(keys(32)))).toEqual({ TOKEN_REVOKED: 32 })
    const spent = outcomes(early)['spent'] ?? 0
    expect(outcomes(early)).toEqual({
      ...(spent > 0 && { spent }),
      ...(spent < 32 && { TOKEN_REVOKED: 32 - spent }),
    })
    expect((await onRecord(id)).spends).toBe(spent)
  })

  test('for a token without a limit does not queue on the row of the token', async () => {
    const { id } = await addToken(store.pool, newValue())
    const holder = await store.pools[1].connect()
    await holder.query('begin')
    await holder.query('select from tokens where id = $1 for update', [id])
    const results = await Promise.all(keys(16).map((key) => spend(store.pool, value, key)))
    expect(outcomes(results)).toEqual({ spent: 16 })
    await holder.query('rollback')
    holder.release()
  })

  test('for the last use is decided by who commits, not by who came first', async () => {
    const { id } = await addToken(store.pool, newValue(), { maxUses: 1 })
    const holder = await store.pools[1].connect()
    await holder.query('begin')
    await holder.query('update tokens set uses = 1 where id = $1', [id])
    // Comes while the last use is taken but not committed, and must wait for the outcome.
    const waiting = spend(store.pool, value, newKey())
    await waitingFor(1)
    await holder.query('rollback')
    holder.release()
    expect((await waiting).outcome).toBe('spent')
    expect(await onRecord(id)).toEqual({ uses: 1, spends: 1 })
  })
})

describe('a token', () => {
  test('that nobody made is unknown, and so is one under another pepper', async () => {
    const unknown = { outcome: 'refused', reason: 'TOKEN_UNKNOWN' }
    expect(await spend(store.pool, newValue(), newKey())).toEqual(unknown)
    await addToken(store.pool, value, { digest: tokenDigest(Buffer.from('yesterday'), value) })
    expect(await spend(store.pool, value, newKey())).toEqual(unknown)
  })

  test('is refused with what is the matter with it', async () => {
    const key = newKey()
    const expired = await addToken(store.pool, newValue())
    await expire(expired.id)
    expect(await spend(store.pool, value, key)).toEqual({
      outcome: 'refused',
      reason: 'TOKEN_EXPIRED',
      tokenId: expired.id,
    })
    const revoked = await addToken(store.pool, newValue())
    await revokeToken(store.pool, { id: revoked.id })
    expect(await spend(store.pool, value, key)).toMatchObject({ reason: 'TOKEN_REVOKED', tokenId: revoked.id })
    const usedUp = await addToken(store.pool, newValue(), { maxUses: 1 })
    await spend(store.pool, value, newKey())
    expect(await spend(store.pool, value, key)).toMatchObject({ reason: 'TOKEN_USED_UP', tokenId: usedUp.id })
    const database = await addToken(store.pool, newValue(), { roles: ['db'] })
    expect(await spend(store.pool, value, key)).toMatchObject({ reason: 'ROLE_NOT_ALLOWED', tokenId: database.id })
    expect(await onRecord(database.id)).toEqual({ uses: 0, spends: 0 })
  })

  test('admits any of its roles, and not one more', async () => {
    await addToken(store.pool, newValue(), { roles: ['node', 'proxy'] })
    for (const roles of [['node'], ['proxy'], ['node', 'proxy']] as const) {
      expect((await spend(store.pool, value, newKey(), [...roles])).outcome).toBe('spent')
    }
    expect(await spend(store.pool, value, newKey(), ['node', 'auth'])).toMatchObject({ reason: 'ROLE_NOT_ALLOWED' })
  })

  test('of several uses is used up by as many keys, one after the other', async () => {
    const { id } = await addToken(store.pool, newValue(), { maxUses: 3 })
    for (let i = 0; i < 3; i++) expect((await spend(store.pool, value, newKey())).outcome).toBe('spent')
    expect(await spend(store.pool, value, newKey())).toMatchObject({ reason: 'TOKEN_USED_UP' })
    expect(await onRecord(id)).toEqual({ uses: 3, spends: 3 })
  })
})

describe('the same key again', () => {
  let tokenId: string
  let key: Buffer
  let first: SpendResult

  async function spendOnce(maxUses?: number): Promise<void> {
    tokenId = (await addToken(store.pool, newValue(), { maxUses })).id
    key = newKey()
    first = await spend(store.pool, value, key)
  }

  test('gets the same node id while the token lives, however late', async () => {
    await spendOnce()
    await moveSpends(tokenId, '2 days')
    expect(await spend(store.pool, value, key)).toEqual(first)
    expect((await onRecord(tokenId)).spends).toBe(1)
  })

  test('gets the same node id of a token that is used up, for half an hour', async () => {
    await spendOnce(1)
    await moveSpends(tokenId, '29 minutes 50 seconds')
    expect(await spend(store.pool, value, key)).toEqual(first)
    await moveSpends(tokenId, '30 minutes 1 second')
    expect(await spend(store.pool, value, key)).toMatchObject({ reason: 'TOKEN_USED_UP' })
    expect(await onRecord(tokenId)).toEqual({ uses: 1, spends: 1 })
  })

  test('gets the same node id of a token that has expired, for half an hour from its spend', async () => {
    await spendOnce()
    await expire(tokenId)
    expect(await spend(store.pool, value, key)).toMatchObject({ outcome: 'spent', nodeId: nodeIdOf(first) })
    expect(await spend(store.pool, value, newKey())).toMatchObject({ reason: 'TOKEN_EXPIRED' })
    await moveSpends(tokenId, '30 minutes 1 second')
    expect(await spend(store.pool, value, key)).toMatchObject({ reason: 'TOKEN_EXPIRED' })
  })

  test.each([
    ['that is used up', 1],
    ['that lives', undefined],
  ])('of a token %s cannot prolong its half hour by asking again', async (_what, maxUses) => {
    await spendOnce(maxUses)
    await moveSpends(tokenId, '29 minutes')
    expect(await spend(store.pool, value, key)).toEqual(first)
    const { rows } = await store.pool.query<{ old: boolean }>(
      `select spent_at < now() - interval '28 minutes' as old from spends where token_id = $1`,
      [tokenId],
    )
    expect(rows).toEqual([{ old: true }])
  })

  test('gets nothing of a token that was revoked', async () => {
    await spendOnce()
    await revokeToken(store.pool, { id: tokenId })
    expect(await spend(store.pool, value, key)).toMatchObject({ reason: 'TOKEN_REVOKED' })
  })

  test('gets nothing for roles that the token does not admit', async () => {
    await spendOnce(1)
    expect(await spend(store.pool, value, key, ['auth'])).toMatchObject({ reason: 'ROLE_NOT_ALLOWED' })
  })

  test('is another node under another token', async () => {
    await spendOnce()
    const again = key
    await addToken(store.pool, newValue())
    const other = await spend(store.pool, value, again)
    expect(nodeIdOf(other)).not.toBe(nodeIdOf(first))
  })
})

function nodeIdOf(result: SpendResult): string | undefined {
  return result.outcome === 'spent' ? result.nodeId : undefined
}
