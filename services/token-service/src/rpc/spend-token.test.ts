import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { token } from '@muster/contracts'
import { REPEATS_AT_ONCE } from '../store/spend-statement.ts'
import {
  addToken,
  createRequest,
  newKey,
  refusal,
  serveTokens,
  signupRequest,
  spendRequest,
  type Served,
} from '../../test/support/service.ts'

let served: Served

beforeAll(async () => {
  served = await serveTokens()
})
beforeEach(() => served.clear())
afterAll(() => served.close())

const UNKNOWN = { $case: 'refused', value: { reason: 'TOKEN_UNKNOWN', tokenId: '', restriction: '', retryAfterMs: 0 } }

describe('SpendToken', () => {
  test('SpendToken returns the node id of the key, the token, and the labels of the node', async () => {
    const { id } = await addToken(served.pool, 'the-value-of-a-token', { nodeLabels: { rack: '7' } })
    const key = newKey()
    const nodeId: unknown = expect.stringMatching(/^[0-9a-f-]{36}$/)
    const first = await served.spend(spendRequest('the-value-of-a-token', {}, key))
    expect(first).toEqual({
      $case: 'spent',
      value: {
        nodeId,
        tokenId: id,
        botName: '',
        nodeLabels: { rack: '7' },
        allowHostnames: [],
        spentAt: expect.any(Date),
      },
    })
    expect(await served.spend(spendRequest('the-value-of-a-token', {}, key))).toEqual(first)
    expect(await served.spend(spendRequest('the-value-of-a-token'))).not.toEqual(first)
  })

  test('SpendToken tells a caller without a genuine token only that the token is unknown', async () => {
    for (const value of ['', 'x', 'mtk_aaaaaaaaaa_bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 'x'.repeat(513), 'a\0b']) {
      expect(await served.spend(spendRequest(value))).toEqual(UNKNOWN)
    }
  })

  test('SpendToken says what is wrong with a genuine token, and which restriction was not met', async () => {
    const whyNot = async (request: token.SpendTokenRequest) => {
      const { $case, value } = await served.spend(request)
      return $case === 'refused' ? [value.reason, value.restriction, value.tokenId] : $case
    }
    const expired = await addToken(served.pool, 'expired')
    await served.pool.query('update tokens set expires_at = now() where id = $1', [expired.id])
    expect(await whyNot(spendRequest('expired'))).toEqual(['TOKEN_EXPIRED', '', expired.id])
    const revoked = await addToken(served.pool, 'revoked')
    await served.as('operator').revokeToken({ idOrValue: revoked.id })
    expect(await whyNot(spendRequest('revoked'))).toEqual(['TOKEN_REVOKED', '', revoked.id])
    const usedUp = await addToken(served.pool, 'used-up', { maxUses: 1 })
    await served.spend(spendRequest('used-up'))
    expect(await whyNot(spendRequest('used-up'))).toEqual(['TOKEN_USED_UP', '', usedUp.id])
    const { id } = await addToken(served.pool, 'narrow', { allowCidrs: ['10.0.0.0/8'], allowHostnames: ['web-*'] })
    expect(await whyNot(spendRequest('narrow', { roles: ['db'] }))).toEqual(['ROLE_NOT_ALLOWED', '', id])
    expect(await whyNot(spendRequest('narrow'))).toEqual(['TOKEN_RESTRICTED', 'allow-cidr', id])
    const here = { remoteAddress: '10.0.0.1', hostname: 'db-1' }
    expect(await whyNot(spendRequest('narrow', here))).toEqual(['TOKEN_RESTRICTED', 'allow-hostname', id])
    expect(await whyNot(signupRequest('narrow', 'ada'))).toEqual(['TOKEN_WRONG_TYPE', '', id])
    expect(await whyNot(spendRequest('narrow', { ...here, hostname: 'web-1' }))).toBe('spent')
  })

  test('SpendToken refuses a key that repeats its spend too often, and says when it may retry', async () => {
    const { id } = await addToken(served.pool, 'often-spent', { maxUses: 1 })
    const key = newKey()
    const spends = Array.from({ length: 64 }, () => served.spend(spendRequest('often-spent', {}, key)))
    const refused = (await Promise.all(spends)).filter(({ $case }) => $case === 'refused')
    expect(refused).toHaveLength(63 - REPEATS_AT_ONCE)
    expect(refused[0]!.value).toEqual({
      reason: 'SPENT_JUST_NOW',
      tokenId: id,
      restriction: '',
      retryAfterMs: expect.any(Number),
    })
    expect((refused[0]!.value as token.RefusedToken).retryAfterMs).toBeGreaterThan(0)
  })

  test('SpendToken reads an IPv4 address written as an IPv6 address as IPv4, and drops a zone', async () => {
    await addToken(served.pool, 'four', { allowCidrs: ['10.0.0.0/8'] })
    await addToken(served.pool, 'six', { allowCidrs: ['fe80::/10'] })
    for (const remoteAddress of ['::ffff:10.1.2.3', '::FFFF:a01:203', '0:0:0:0:0:ffff:10.1.2.3']) {
      expect((await served.spend(spendRequest('four', { remoteAddress }))).$case).toBe('spent')
    }
    expect((await served.spend(spendRequest('four', { remoteAddress: '::ffff:11.0.0.1' }))).$case).toBe('refused')
    expect((await served.spend(spendRequest('six', { remoteAddress: 'fe80::1%eth0' }))).$case).toBe('spent')
  })

  test('SpendToken refuses an invalid fingerprint, purpose, role, host name, address and person', async () => {
    await addToken(served.pool, 'the-value-of-a-token')
    const request = (overrides: Partial<token.SpendTokenRequest>) =>
      served.spend({ ...spendRequest('the-value-of-a-token'), ...overrides })
    for (const length of [0, 31, 33]) {
      const error = await refusal(request({ keyFingerprint: Buffer.alloc(length) }))
      expect(error).toMatchObject({ kind: 'invalidArgument', field: 'key_fingerprint' })
    }
    expect((await refusal(request({ purpose: undefined }))).field).toBe('purpose')
    const wrong: Record<string, Partial<token.SpendTokenRequest_Join>> = {
      roles: { roles: ['king'] },
      hostname: { hostname: 'a b' },
      remote_address: { remoteAddress: 'unix:/run/x' },
    }
    for (const [field, join] of Object.entries(wrong)) {
      const error = await refusal(served.spend(spendRequest('the-value-of-a-token', join)))
      expect(error).toMatchObject({ kind: 'invalidArgument', field })
    }
    expect((await refusal(served.spend(signupRequest('the-value-of-a-token', 'Ada')))).field).toBe('user_name')
    expect((await served.pool.query('select from spends')).rowCount).toBe(0)
  })

  test('SpendToken of a token that was revoked on one replica is refused on the other at once', async () => {
    const elsewhere = served.otherClient(served.cluster.service('registration-service'))
    for (let i = 0; i < 20; i++) {
      const { token: made, value } = await served.as('operator').createToken(createRequest())
      expect((await elsewhere.spendToken(spendRequest(value))).result!.$case).toBe('spent')
      await served.as('operator').revokeToken({ idOrValue: made!.id })
      const { result } = await elsewhere.spendToken(spendRequest(value))
      expect(result!.value).toMatchObject({ reason: 'TOKEN_REVOKED' })
    }
  })
})
