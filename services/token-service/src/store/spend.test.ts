import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { randomUUID } from 'node:crypto'
import { tokenDigest } from '@muster/domain'
import type { SpendResult } from './spend.ts'
import {
  addSignupToken,
  addToken,
  auditOf,
  newKey,
  openStore,
  spend,
  usesOnRecord,
  type Store,
} from '../../test/support/service.ts'
import { markRevoked as revoke } from './token-by-key.ts'

let store: Store
let value: string

beforeAll(async () => {
  store = await openStore()
})
afterAll(async () => {
  await store.close()
})

function revokeToken(pool: Store['pool'], key: { id: string }) {
  return revoke(pool, [], key)
}

/** Every test has a token of its own. */
function newValue(): string {
  value = `secret-${randomUUID()}`
  return value
}

async function expire(tokenId: string): Promise<void> {
  await store.pool.query(`update tokens set expires_at = now() - interval '1 second' where id = $1`, [tokenId])
}

async function moveSpends(tokenId: string, interval: string): Promise<void> {
  await store.pool.query(`update spends set spent_at = now() - $2::interval where token_id = $1`, [tokenId, interval])
}

describe('tokens that are spent', () => {
  test('a token that was never created is unknown, and so is one under another pepper', async () => {
    const unknown = { outcome: 'refused', reason: 'TOKEN_UNKNOWN' }
    expect(await spend(store.pool, newValue(), newKey())).toEqual(unknown)
    await addToken(store.pool, value, { digest: tokenDigest(Buffer.from('yesterday'), value) })
    expect(await spend(store.pool, value, newKey())).toEqual(unknown)
  })

  test('a token that cannot be spent is refused with the reason', async () => {
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
    expect(await usesOnRecord(store.pool, database.id)).toEqual({ uses: 0, spends: 0 })
  })

  test('a token admits any of its roles, and not one more', async () => {
    await addToken(store.pool, newValue(), { roles: ['node', 'proxy'] })
    for (const roles of [['node'], ['proxy'], ['node', 'proxy']] as const) {
      expect((await spend(store.pool, value, newKey(), { roles: [...roles] })).outcome).toBe('spent')
    }
    expect(await spend(store.pool, value, newKey(), { roles: ['node', 'auth'] })).toMatchObject({
      reason: 'ROLE_NOT_ALLOWED',
    })
  })

  test('a token of several uses is used up by as many keys, one after the other', async () => {
    const { id } = await addToken(store.pool, newValue(), { maxUses: 3 })
    for (let i = 0; i < 3; i++) expect((await spend(store.pool, value, newKey())).outcome).toBe('spent')
    expect(await spend(store.pool, value, newKey())).toMatchObject({ reason: 'TOKEN_USED_UP' })
    expect(await usesOnRecord(store.pool, id)).toEqual({ uses: 3, spends: 3 })
  })
})

describe('the audit of spends', () => {
  test('the audit of spends has one event for each key, and none for a repeat or a refusal', async () => {
    const { id } = await addToken(store.pool, newValue(), { maxUses: 1 })
    const key = newKey()
    const result = await spend(store.pool, value, key, { remoteAddress: '2001:db8::1', hostname: 'web-1' })
    await spend(store.pool, value, key)
    await spend(store.pool, value, newKey())
    expect(await auditOf(store.pool, id)).toEqual([
      {
        action: 'token.spend',
        actor: 'spiffe://c/service/registration-service',
        remote_address: '2001:db8::1',
        outcome: 'ok',
        node_id: nodeIdOf(result),
        details: { hostname: 'web-1', roles: ['node'] },
      },
    ])
  })

  test('the audit of a signup names the person', async () => {
    const { id } = await addSignupToken(store.pool, newValue(), 'bo')
    await spend(store.pool, value, newKey(), { userName: 'bo' })
    expect(await auditOf(store.pool, id)).toMatchObject([{ action: 'token.spend', details: { user: 'bo' } }])
  })
})

describe('a restriction', () => {
  test.each<[string[], string, boolean]>([
    [[], '203.0.113.9', true],
    [['10.0.0.0/8'], '10.255.0.1', true],
    [['10.0.0.0/8'], '11.0.0.1', false],
    [['10.1.2.3/8'], '10.9.9.9', true],
    [['10.0.0.1/32'], '10.0.0.1', true],
    [['10.0.0.1/32'], '10.0.0.2', false],
    [['0.0.0.0/0'], '192.0.2.1', true],
    [['0.0.0.0/0'], '2001:db8::1', false],
    [['2001:db8::/32'], '2001:db8:1::1', true],
    [['2001:db8::/32'], '2001:db9::1', false],
    [['192.0.2.0/24', '2001:db8::/32'], '2001:db8::1', true],
    [['192.0.2.0/24', '10.0.0.0/8'], '172.16.0.1', false],
  ])('a restriction to the networks %j, from %s: %s', async (allowCidrs, remoteAddress, isAllowed) => {
    const { id } = await addToken(store.pool, newValue(), { allowCidrs })
    const result = await spend(store.pool, value, newKey(), { remoteAddress })
    const refused = { outcome: 'refused', reason: 'TOKEN_RESTRICTED', restriction: 'allow-cidr', tokenId: id }
    expect(result).toMatchObject(isAllowed ? { outcome: 'spent' } : refused)
    expect((await usesOnRecord(store.pool, id)).spends).toBe(isAllowed ? 1 : 0)
  })

  test.each<[string[], string, boolean]>([
    [['web-1'], 'web-1', true],
    [['web-1'], 'WEB-1', true],
    [['web-1'], 'web-12', false],
    [['web-*'], 'web-', true],
    [['web-*'], 'web-12.example.com', true],
    [['web-*'], 'db-1', false],
    [['*.example.com'], 'a.b.example.com', true],
    [['*.example.com'], 'example.com', false],
    [['web-?'], 'web-1', true],
    [['web-?'], 'web-12', false],
    [['a_b'], 'a_b', true],
    [['a_b'], 'axb', false],
    [['a%'], 'abc', false],
    [['a\\_b'], 'a_b', false],
    [['a.c'], 'abc', false],
    [['db-*', 'web-*'], 'web-1', true],
  ])('a restriction to the host names %j, for %s: %s', async (allowHostnames, hostname, isAllowed) => {
    const { id } = await addToken(store.pool, newValue(), { allowHostnames })
    const result = await spend(store.pool, value, newKey(), { hostname })
    const refused = { outcome: 'refused', reason: 'TOKEN_RESTRICTED', restriction: 'allow-hostname', tokenId: id }
    expect(result).toMatchObject(isAllowed ? { outcome: 'spent' } : refused)
  })

  test('a restriction must be met again by the same key', async () => {
    await addToken(store.pool, newValue(), { allowCidrs: ['10.0.0.0/8'], maxUses: 1 })
    const key = newKey()
    const first = await spend(store.pool, value, key, { remoteAddress: '10.0.0.1' })
    expect(await spend(store.pool, value, key, { remoteAddress: '10.0.0.2' })).toEqual(first)
    expect(await spend(store.pool, value, key, { remoteAddress: '192.0.2.1' })).toMatchObject({
      reason: 'TOKEN_RESTRICTED',
    })
  })

  test('a restriction is reported after the role and before the uses', async () => {
    const restricted = { allowCidrs: ['10.0.0.0/8'], allowHostnames: ['web-*'] }
    await addToken(store.pool, newValue(), { ...restricted, maxUses: 1 })
    await spend(store.pool, value, newKey(), { remoteAddress: '10.0.0.1' })
    const stranger = { remoteAddress: '192.0.2.1', hostname: 'db-1' }
    expect(await spend(store.pool, value, newKey(), { ...stranger, roles: ['db'] })).toMatchObject({
      reason: 'ROLE_NOT_ALLOWED',
    })
    expect(await spend(store.pool, value, newKey(), stranger)).toMatchObject({ restriction: 'allow-cidr' })
    expect(await spend(store.pool, value, newKey(), { remoteAddress: '10.0.0.1' })).toMatchObject({
      reason: 'TOKEN_USED_UP',
    })
  })
})

describe('a signup token', () => {
  test('a signup token admits the person that it was created for, once, and gives the same id to the same key', async () => {
    const { id } = await addSignupToken(store.pool, newValue(), 'cy')
    expect(await spend(store.pool, value, newKey(), { userName: 'eve' })).toEqual({
      outcome: 'refused',
      reason: 'TOKEN_RESTRICTED',
      restriction: 'user',
      tokenId: id,
    })
    const key = newKey()
    const first = await spend(store.pool, value, key, { userName: 'cy' })
    expect(first).toMatchObject({ outcome: 'spent', tokenId: id })
    expect(await spend(store.pool, value, key, { userName: 'cy' })).toEqual(first)
    expect(await spend(store.pool, value, newKey(), { userName: 'cy' })).toMatchObject({ reason: 'TOKEN_USED_UP' })
  })

  test('a signup token admits no node, and a join token no person, whatever else is wrong with the token', async () => {
    const signup = await addSignupToken(store.pool, newValue(), 'dee')
    await revokeToken(store.pool, signup)
    expect(await spend(store.pool, value, newKey())).toMatchObject({ reason: 'TOKEN_WRONG_TYPE', tokenId: signup.id })
    const join = await addToken(store.pool, newValue())
    await expire(join.id)
    const result = await spend(store.pool, value, newKey(), { userName: 'dee' })
    expect(result).toMatchObject({ reason: 'TOKEN_WRONG_TYPE', tokenId: join.id })
  })
})

describe('a spend', () => {
  test('a spend for a signup is refused with a join token that is live and unrestricted, and does not use it', async () => {
    const { id } = await addToken(store.pool, newValue())
    expect(await spend(store.pool, value, newKey(), { userName: 'ada' })).toMatchObject({ reason: 'TOKEN_WRONG_TYPE' })
    expect(await usesOnRecord(store.pool, id)).toEqual({ uses: 0, spends: 0 })
  })

  test('a spend says what the token gives to the newcomer', async () => {
    await addToken(store.pool, newValue(), { nodeLabels: { rack: '7' } })
    expect(await spend(store.pool, value, newKey())).toMatchObject({ nodeLabels: { rack: '7' }, botName: undefined })
    await addToken(store.pool, newValue(), { roles: ['bot'], botName: 'ci', maxUses: 1 })
    expect(await spend(store.pool, value, newKey(), { roles: ['bot'] })).toMatchObject({
      botName: 'ci',
      nodeLabels: {},
    })
  })
})

describe('repeated spends of the same key', () => {
  let tokenId: string
  let key: Buffer
  let first: SpendResult

  async function spendOnce(maxUses?: number): Promise<void> {
    tokenId = (await addToken(store.pool, newValue(), { maxUses })).id
    key = newKey()
    first = await spend(store.pool, value, key)
  }

  test('the same key gets the same node id while the token lives, however late', async () => {
    await spendOnce()
    await moveSpends(tokenId, '2 days')
    expect(await spend(store.pool, value, key)).toEqual({ ...first, spentAt: expect.any(Date) })
    expect((await usesOnRecord(store.pool, tokenId)).spends).toBe(1)
  })

  test('the same key is counted once, however often it spends a token with a limit', async () => {
    await spendOnce(3)
    for (let i = 0; i < 4; i++) expect(await spend(store.pool, value, key)).toEqual(first)
    expect(await usesOnRecord(store.pool, tokenId)).toEqual({ uses: 1, spends: 1 })
  })

  test('the same key gets the same node id for half an hour after the token is used up', async () => {
    await spendOnce(1)
    await moveSpends(tokenId, '29 minutes 50 seconds')
    expect(await spend(store.pool, value, key)).toEqual({ ...first, spentAt: expect.any(Date) })
    await moveSpends(tokenId, '30 minutes 1 second')
    expect(await spend(store.pool, value, key)).toMatchObject({ reason: 'TOKEN_USED_UP' })
    expect(await usesOnRecord(store.pool, tokenId)).toEqual({ uses: 1, spends: 1 })
  })

  test('the same key gets the same node id for half an hour from its spend after the token has expired', async () => {
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
  ])('the same key cannot extend the half hour of a token %s by asking again', async (_what, maxUses) => {
    await spendOnce(maxUses)
    await moveSpends(tokenId, '29 minutes')
    expect(await spend(store.pool, value, key)).toEqual({ ...first, spentAt: expect.any(Date) })
    const { rows } = await store.pool.query<{ old: boolean }>(
      `select spent_at < now() - interval '28 minutes' as old from spends where token_id = $1`,
      [tokenId],
    )
    expect(rows).toEqual([{ old: true }])
  })

  test('the same key gets nothing from a token that was revoked', async () => {
    await spendOnce()
    await revokeToken(store.pool, { id: tokenId })
    expect(await spend(store.pool, value, key)).toMatchObject({ reason: 'TOKEN_REVOKED' })
  })

  test('the same key gets nothing for roles that the token does not admit', async () => {
    await spendOnce(1)
    expect(await spend(store.pool, value, key, { roles: ['auth'] })).toMatchObject({ reason: 'ROLE_NOT_ALLOWED' })
  })

  test('the same key is another node under another token', async () => {
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
