import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { token } from '@muster/contracts'
import { AppError } from '@muster/domain'
import { accessOfEach } from '@muster/rpc/testing'
import { createLogger } from '@muster/runtime/service'
import { everyKindOfPeer } from '@muster/testkit'
import { addToken, newKey, PEPPER, serveTokens, type Served } from './test-support.ts'

const lines: string[] = []
let served: Served

beforeAll(async () => {
  served = await serveTokens(createLogger('test', 'debug', { write: (line) => void lines.push(line) }))
})
beforeEach(async () => {
  await served.pool.query('truncate tokens, spends, audit_events')
})
afterAll(async () => {
  await served.close()
})

function as(who: 'viewer' | 'operator' | 'admin' | 'registration-service') {
  return served.client(who === 'registration-service' ? served.cluster.service(who) : served.cluster.user('ada', who))
}

async function refusal(call: Promise<unknown>): Promise<AppError> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error instanceof AppError) return error
  throw new Error('should have been refused', { cause: error })
}

describe('who may call', () => {
  const ALLOWED: Record<string, string[]> = {
    createToken: ['operator', 'admin'],
    listTokens: ['viewer', 'operator', 'admin'],
    revokeToken: ['operator', 'admin'],
    spendToken: ['registration-service'],
  }

  test('is said for every RPC of the contract', () => {
    expect(Object.keys(ALLOWED)).toEqual(Object.keys(token.TokenServiceService))
    for (const { path } of Object.values(token.TokenServiceService)) expect(served.server.callers.has(path)).toBe(true)
  })

  test.each(Object.entries(token.TokenServiceService))('%s', async (rpc, method) => {
    const callers = everyKindOfPeer(served.cluster)
    const { found, expected } = await accessOfEach(callers, ALLOWED[rpc]!, served.connect, method)
    expect(found).toEqual(expected)
  })
})

describe('SpendToken', () => {
  function spend(value: string, overrides: Partial<token.SpendTokenRequest> = {}) {
    return as('registration-service').spendToken({ value, roles: ['node'], keyFingerprint: newKey(), ...overrides })
  }

  test('says which node id the key has, and by which token', async () => {
    const { id, expiresAt } = await addToken(served.pool, 'the-value-of-a-token')
    const keyFingerprint = newKey()
    const reply = await spend('the-value-of-a-token', { keyFingerprint })
    expect(reply).toMatchObject({ tokenId: id, expiresAt, nodeId: expect.stringMatching(/^[0-9a-f-]{36}$/) })
    expect((await spend('the-value-of-a-token', { keyFingerprint })).nodeId).toBe(reply.nodeId)
    expect((await spend('the-value-of-a-token')).nodeId).not.toBe(reply.nodeId)
  })

  test('tells whoever holds no genuine token only that it is not known', async () => {
    for (const value of ['', 'x', 'mtk_aaaaaaaaaa_bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 'x'.repeat(513), 'a\0b']) {
      expect(await refusal(spend(value))).toMatchObject({ kind: 'permissionDenied', reason: 'TOKEN_UNKNOWN' })
    }
  })

  test('tells whoever holds a genuine token what is the matter with it', async () => {
    const expired = await addToken(served.pool, 'expired')
    await served.pool.query('update tokens set expires_at = now() where id = $1', [expired.id])
    expect(await refusal(spend('expired'))).toMatchObject({ kind: 'failedPrecondition', reason: 'TOKEN_EXPIRED' })
    const revoked = await addToken(served.pool, 'revoked')
    await as('operator').revokeToken({ idOrValue: revoked.id })
    expect(await refusal(spend('revoked'))).toMatchObject({ kind: 'failedPrecondition', reason: 'TOKEN_REVOKED' })
    await addToken(served.pool, 'used-up', { maxUses: 1 })
    await spend('used-up')
    expect(await refusal(spend('used-up'))).toMatchObject({ kind: 'failedPrecondition', reason: 'TOKEN_USED_UP' })
    await addToken(served.pool, 'wrong-role')
    const wrongRole = await refusal(spend('wrong-role', { roles: ['db'] }))
    expect(wrongRole).toMatchObject({ kind: 'failedPrecondition', reason: 'ROLE_NOT_ALLOWED' })
  })

  test('refuses what is no fingerprint, and what are no roles', async () => {
    await addToken(served.pool, 'the-value-of-a-token')
    for (const length of [0, 31, 33]) {
      const error = await refusal(spend('the-value-of-a-token', { keyFingerprint: Buffer.alloc(length) }))
      expect(error).toMatchObject({ kind: 'invalidArgument', field: 'key_fingerprint' })
    }
    expect((await refusal(spend('the-value-of-a-token', { roles: ['king'] }))).field).toBe('roles')
    expect((await served.pool.query('select from spends')).rowCount).toBe(0)
  })
})

describe('ListTokens', () => {
  const list = (pageSize: number, pageToken = '') => as('viewer').listTokens({ pageSize, pageToken })

  test('gives pages that follow each other, and never a value', async () => {
    const made = new Set<string>()
    for (let i = 0; i < 7; i++) {
      made.add((await as('operator').createToken({ ...empty, roles: ['node'], ttlSeconds: 60 })).token!.id)
    }
    const seen: string[] = []
    let pageToken = ''
    let pages = 0
    do {
      const page = await list(3, pageToken)
      seen.push(...page.tokens.map(({ id }) => id))
      pageToken = page.nextPageToken
      pages += 1
    } while (pageToken !== '')
    expect(pages).toBe(3)
    expect(new Set(seen)).toEqual(made)
    expect(seen).toHaveLength(7)
    expect((await list(7)).nextPageToken).toBe('')
    expect((await list(0)).tokens).toHaveLength(7)
  })

  test('refuses a page that is too large, and a page token that it did not make', async () => {
    expect((await refusal(list(1_001))).field).toBe('page_size')
    const made = (key: unknown) => Buffer.from(JSON.stringify(key)).toString('base64url')
    for (const pageToken of ['x', made(['2026', '\0']), made(['no date', 'aaaaaaaaaa']), made([1, 2])]) {
      expect(await refusal(list(10, pageToken))).toMatchObject({ kind: 'invalidArgument', field: 'page_token' })
    }
  })
})

describe('RevokeToken', () => {
  test('takes an id or a value, and says who did it in the audit', async () => {
    const first = await addToken(served.pool, 'first-value-of-them-all')
    const second = await addToken(served.pool, 'second-value-of-them-all')
    const operator = as('operator')
    expect((await operator.revokeToken({ idOrValue: first.id })).token!.id).toBe(first.id)
    expect((await operator.revokeToken({ idOrValue: 'second-value-of-them-all' })).token!.id).toBe(second.id)
    const { rows } = await served.pool.query('select action, actor, token_id from audit_events order by id')
    const actor = `spiffe://${served.cluster.clusterName}/user/ada`
    expect(rows).toEqual([
      { action: 'token.revoke', actor, token_id: first.id },
      { action: 'token.revoke', actor, token_id: second.id },
    ])
  })

  test('of a token that is not there says so without repeating it, and leaves no audit', async () => {
    const error = await refusal(as('operator').revokeToken({ idOrValue: 'CANARY-token-value-that-is-wrong' }))
    expect(error.kind).toBe('notFound')
    expect(error.message).not.toContain('CANARY')
    expect((await refusal(as('operator').revokeToken({ idOrValue: 'aaaaaaaaaa' }))).kind).toBe('notFound')
    expect((await served.pool.query('select from audit_events')).rowCount).toBe(0)
  })
})

describe('no secret', () => {
  test('is in any table or any line of the log, whatever was done with the tokens', async () => {
    lines.length = 0
    const operator = as('operator')
    const generated = await operator.createToken({ ...empty, roles: ['node'], ttlSeconds: 60 })
    const chosen = 'CANARY-value-of-the-operators-own'
    await operator.createToken({ ...empty, roles: ['node'], ttlSeconds: 60, maxUses: 1, value: chosen })
    for (const value of [generated.value, chosen, chosen, 'CANARY-value-that-nobody-made']) {
      const request = { value, roles: ['node'], keyFingerprint: newKey() }
      await as('registration-service')
        .spendToken(request)
        .catch(() => {})
    }
    await operator.createToken({ ...empty, roles: ['node'], ttlSeconds: 60, value: chosen }).catch(() => {})
    await operator.revokeToken({ idOrValue: chosen })
    await operator.revokeToken({ idOrValue: 'CANARY-value-that-is-wrong' }).catch(() => {})
    await as('viewer').listTokens({ pageSize: 0, pageToken: '' })

    const dump = await served.database.dump('token')
    expect(dump).toContain(generated.token!.id)
    const said = lines.join('')
    expect(said).toContain(generated.token!.id)
    const secret = generated.value.split('_')[2]!
    for (const text of [dump, said]) {
      expect(text).not.toContain('CANARY')
      expect(text).not.toContain(secret)
      // Nor in the ways that Postgres and JSON write bytes.
      for (const hidden of [secret, chosen, PEPPER.toString()]) {
        expect(text).not.toContain(Buffer.from(hidden).toString('hex'))
        expect(text).not.toContain(Buffer.from(hidden).toString('base64').replace(/=+$/, ''))
      }
    }
  })
})

const empty: token.CreateTokenRequest = {
  roles: [],
  ttlSeconds: 0,
  maxUses: undefined,
  labels: {},
  description: '',
  botName: '',
  value: '',
}
