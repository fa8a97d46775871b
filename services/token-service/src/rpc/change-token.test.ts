import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { addToken, createRequest, DAY_SECONDS, refusal, serveTokens, type Served } from '../../test/support/service.ts'

let served: Served

beforeAll(async () => {
  served = await serveTokens()
})
beforeEach(() => served.clear())
afterAll(() => served.close())

describe('ExtendToken', () => {
  const extend = (idOrName: string, ttlSeconds = 3_600) => served.as('operator').extendToken({ idOrName, ttlSeconds })

  test('ExtendToken moves the expiry to a duration from now, by id or name, and records the caller', async () => {
    const { token: made } = await served.as('operator').createToken(createRequest({ name: 'rack-7' }))
    const before = Date.now()
    const { token: extended } = await extend('rack-7')
    expect(Math.abs(extended!.expiresAt!.getTime() - before - 3_600_000)).toBeLessThan(60_000)
    expect({ ...extended, expiresAt: undefined }).toEqual({ ...made, expiresAt: undefined })
    await extend(made!.id)
    const { rows } = await served.pool.query(
      `select actor, token_id, details from audit_events where action = 'token.extend'`,
    )
    const event = { actor: made!.createdBy, token_id: made!.id, details: { ttlSeconds: 3_600 } }
    expect(rows).toEqual([event, event])
  })

  test('ExtendToken keeps to the limit', async () => {
    const { token: made } = await served.as('operator').createToken(createRequest())
    for (const ttlSeconds of [0, 7 * DAY_SECONDS + 1]) {
      const error = await refusal(extend(made!.id, ttlSeconds))
      expect(error).toMatchObject({ kind: 'invalidArgument', field: 'ttl' })
      expect(error.message).toContain('7d')
    }
  })

  test('ExtendToken of a token that has ended says how it ended, and is recorded as refused', async () => {
    const end = async (value: string, how: string) => {
      const { id } = await addToken(served.pool, value)
      await served.pool.query(`update tokens set ${how} where id = $1`, [id])
      return refusal(extend(id))
    }
    for (const [how, word, reason] of [
      ['revoked_at = now()', 'revoked', 'TOKEN_REVOKED'],
      ['expires_at = now()', 'expired', 'TOKEN_EXPIRED'],
      ['max_uses = 1, uses = 1', 'use limit', 'TOKEN_USED_UP'],
    ] as const) {
      const error = await end(how, how)
      expect(error).toMatchObject({ kind: 'failedPrecondition', reason })
      expect(error.message).toContain(word)
    }
    expect((await refusal(extend('aaaaaaaaaa'))).kind).toBe('notFound')
    const { rows } = await served.pool.query(
      `select action, actor, outcome, reason, token_id is not null as "hasToken" from audit_events order by id`,
    )
    const refused = { action: 'token.extend', actor: expect.stringContaining('/user/'), outcome: 'refused' }
    expect(rows).toEqual([
      { ...refused, reason: 'TOKEN_REVOKED', hasToken: true },
      { ...refused, reason: 'TOKEN_EXPIRED', hasToken: true },
      { ...refused, reason: 'TOKEN_USED_UP', hasToken: true },
      { ...refused, reason: 'TOKEN_NOT_FOUND', hasToken: false },
    ])
  })
})

describe('RevokeToken', () => {
  test('RevokeToken takes an id or a value, and records the caller', async () => {
    const first = await addToken(served.pool, 'first-value-of-them-all')
    const second = await addToken(served.pool, 'second-value-of-them-all')
    const operator = served.as('operator')
    expect((await operator.revokeToken({ idOrValue: first.id })).token!.id).toBe(first.id)
    expect((await operator.revokeToken({ idOrValue: 'second-value-of-them-all' })).token!.id).toBe(second.id)
    const { rows } = await served.pool.query('select action, actor, token_id from audit_events order by id')
    const actor = `spiffe://${served.cluster.clusterName}/user/ada`
    expect(rows).toEqual([
      { action: 'token.revoke', actor, token_id: first.id },
      { action: 'token.revoke', actor, token_id: second.id },
    ])
  })

  test('RevokeToken of a token that is not there says so without repeating it, and is recorded', async () => {
    const error = await refusal(served.as('operator').revokeToken({ idOrValue: 'CANARY-token-value-that-is-wrong' }))
    expect(error.kind).toBe('notFound')
    expect(error.message).not.toContain('CANARY')
    expect((await refusal(served.as('operator').revokeToken({ idOrValue: 'aaaaaaaaaa' }))).kind).toBe('notFound')
    await served.refusals.close()
    const { rows } = await served.pool.query('select row_to_json(audit_events) as event from audit_events')
    expect(rows).toMatchObject([
      { event: { action: 'token.revoke', outcome: 'refused', reason: 'TOKEN_NOT_FOUND', count: 2 } },
    ])
    expect(JSON.stringify(rows)).not.toContain('CANARY')
  })

  test('RevokeToken of a token that has ended says how it ended, and is recorded', async () => {
    const { id: revoked } = await addToken(served.pool, 'revoked')
    const { id: expired } = await addToken(served.pool, 'expired')
    await served.pool.query('update tokens set revoked_at = now() where id = $1', [revoked])
    await served.pool.query('update tokens set expires_at = now() where id = $1', [expired])
    for (const [id, how] of [
      [revoked, 'has been revoked already'],
      [expired, 'has expired'],
    ] as const) {
      const error = await refusal(served.as('operator').revokeToken({ idOrValue: id }))
      expect(error).toMatchObject({ kind: 'notFound', message: expect.stringContaining(how) })
    }
    const { rows } = await served.pool.query('select reason, token_id from audit_events order by id')
    expect(rows).toEqual([
      { reason: 'TOKEN_ENDED', token_id: revoked },
      { reason: 'TOKEN_ENDED', token_id: expired },
    ])
  })
})
