import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { token } from '@muster/contracts'
import { accessOfEach } from '@muster/rpc/testing'
import { createLogger } from '@muster/runtime/service'
import { everyKindOfPeer } from '@muster/testkit'
import {
  addToken,
  createRequest,
  DAY_SECONDS,
  listRequest,
  newKey,
  PEPPER,
  refusal,
  serveTokens,
  type Served,
} from './test-support.ts'

const lines: string[] = []
let served: Served

beforeAll(async () => {
  served = await serveTokens(createLogger('test', 'debug', { write: (line) => void lines.push(line) }))
})
beforeEach(async () => {
  await served.refusals.close()
  await served.pool.query('truncate tokens, spends, audit_events')
})
afterAll(async () => {
  await served.close()
})

function as(who: 'viewer' | 'operator' | 'admin' | 'registration-service') {
  return served.client(who === 'registration-service' ? served.cluster.service(who) : served.cluster.user('ada', who))
}

describe('who may call', () => {
  const ALLOWED: Record<string, string[]> = {
    createToken: ['operator', 'admin'],
    getToken: ['viewer', 'operator', 'admin'],
    listTokens: ['viewer', 'operator', 'admin'],
    extendToken: ['operator', 'admin'],
    revokeToken: ['operator', 'admin'],
    spendToken: ['registration-service'],
    createSignupToken: ['registration-service'],
    revokeSignupTokens: ['registration-service'],
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

const JOIN = { roles: ['node'], remoteAddress: '127.0.0.1', hostname: 'web-1' }

function spendRequest(
  value: string,
  join: Partial<token.SpendTokenRequest_Join> = {},
  keyFingerprint = newKey(),
): token.SpendTokenRequest {
  return { value, keyFingerprint, purpose: { $case: 'join', value: { ...JOIN, ...join } } }
}

function signupRequest(value: string, userName: string, keyFingerprint = newKey()): token.SpendTokenRequest {
  const signup = { userName, remoteAddress: '127.0.0.1' }
  return { value, keyFingerprint, purpose: { $case: 'signup', value: signup } }
}

/** What was spent or refused, by the first replica. */
async function spend(request: token.SpendTokenRequest) {
  return (await as('registration-service').spendToken(request)).result!
}

const UNKNOWN = { $case: 'refused', value: { reason: 'TOKEN_UNKNOWN', tokenId: '', restriction: '' } }

describe('SpendToken', () => {
  test('says which node id the key has, by which token, and which labels it carries', async () => {
    const { id } = await addToken(served.pool, 'the-value-of-a-token', { nodeLabels: { rack: '7' } })
    const key = newKey()
    const nodeId: unknown = expect.stringMatching(/^[0-9a-f-]{36}$/)
    const first = await spend(spendRequest('the-value-of-a-token', {}, key))
    expect(first).toEqual({
      $case: 'spent',
      value: { nodeId, tokenId: id, botName: '', nodeLabels: { rack: '7' } },
    })
    expect(await spend(spendRequest('the-value-of-a-token', {}, key))).toEqual(first)
    expect(await spend(spendRequest('the-value-of-a-token'))).not.toEqual(first)
  })

  test('tells whoever holds no genuine token only that it is not known', async () => {
    for (const value of ['', 'x', 'mtk_aaaaaaaaaa_bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 'x'.repeat(513), 'a\0b']) {
      expect(await spend(spendRequest(value))).toEqual(UNKNOWN)
    }
  })

  test('answers for a genuine token what is the matter with it, and by which restriction', async () => {
    const whyNot = async (request: token.SpendTokenRequest) => {
      const { $case, value } = await spend(request)
      return $case === 'refused' ? [value.reason, value.restriction, value.tokenId] : $case
    }
    const expired = await addToken(served.pool, 'expired')
    await served.pool.query('update tokens set expires_at = now() where id = $1', [expired.id])
    expect(await whyNot(spendRequest('expired'))).toEqual(['TOKEN_EXPIRED', '', expired.id])
    const revoked = await addToken(served.pool, 'revoked')
    await as('operator').revokeToken({ idOrValue: revoked.id })
    expect(await whyNot(spendRequest('revoked'))).toEqual(['TOKEN_REVOKED', '', revoked.id])
    const usedUp = await addToken(served.pool, 'used-up', { maxUses: 1 })
    await spend(spendRequest('used-up'))
    expect(await whyNot(spendRequest('used-up'))).toEqual(['TOKEN_USED_UP', '', usedUp.id])
    const { id } = await addToken(served.pool, 'narrow', { allowCidrs: ['10.0.0.0/8'], allowHostnames: ['web-*'] })
    expect(await whyNot(spendRequest('narrow', { roles: ['db'] }))).toEqual(['ROLE_NOT_ALLOWED', '', id])
    expect(await whyNot(spendRequest('narrow'))).toEqual(['TOKEN_RESTRICTED', 'allow-cidr', id])
    const here = { remoteAddress: '10.0.0.1', hostname: 'db-1' }
    expect(await whyNot(spendRequest('narrow', here))).toEqual(['TOKEN_RESTRICTED', 'allow-hostname', id])
    expect(await whyNot(signupRequest('narrow', 'ada'))).toEqual(['TOKEN_WRONG_TYPE', '', id])
    expect(await whyNot(spendRequest('narrow', { ...here, hostname: 'web-1' }))).toBe('spent')
  })

  test('takes an IPv4 address written as an IPv6 address for what it is, and leaves out a zone', async () => {
    await addToken(served.pool, 'four', { allowCidrs: ['10.0.0.0/8'] })
    await addToken(served.pool, 'six', { allowCidrs: ['fe80::/10'] })
    for (const remoteAddress of ['::ffff:10.1.2.3', '::FFFF:a01:203', '0:0:0:0:0:ffff:10.1.2.3']) {
      expect((await spend(spendRequest('four', { remoteAddress }))).$case).toBe('spent')
    }
    expect((await spend(spendRequest('four', { remoteAddress: '::ffff:11.0.0.1' }))).$case).toBe('refused')
    expect((await spend(spendRequest('six', { remoteAddress: 'fe80::1%eth0' }))).$case).toBe('spent')
  })

  test('refuses what is no fingerprint, no purpose, and no role, host name, address or person', async () => {
    await addToken(served.pool, 'the-value-of-a-token')
    const request = (overrides: Partial<token.SpendTokenRequest>) =>
      spend({ ...spendRequest('the-value-of-a-token'), ...overrides })
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
      const error = await refusal(spend(spendRequest('the-value-of-a-token', join)))
      expect(error).toMatchObject({ kind: 'invalidArgument', field })
    }
    expect((await refusal(spend(signupRequest('the-value-of-a-token', 'Ada')))).field).toBe('user_name')
    expect((await served.pool.query('select from spends')).rowCount).toBe(0)
  })

  test('of a token that was revoked on one replica is refused on the other at once', async () => {
    const elsewhere = served.otherClient(served.cluster.service('registration-service'))
    for (let i = 0; i < 20; i++) {
      const { token: made, value } = await as('operator').createToken(createRequest())
      expect((await elsewhere.spendToken(spendRequest(value))).result!.$case).toBe('spent')
      await as('operator').revokeToken({ idOrValue: made!.id })
      const { result } = await elsewhere.spendToken(spendRequest(value))
      expect(result!.value).toMatchObject({ reason: 'TOKEN_REVOKED' })
    }
  })
})

describe('ListTokens', () => {
  const list = (pageSize: number, pageToken = '') => as('viewer').listTokens(listRequest({ pageSize, pageToken }))

  test('gives pages that follow each other, and never a value', async () => {
    const made = new Set<string>()
    for (let i = 0; i < 7; i++) {
      made.add((await as('operator').createToken(createRequest())).token!.id)
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
    const tooEarly = made(['-271821-04-20T00:00:00.000Z', 'aaaaaaaaaa'])
    for (const pageToken of ['x', made(['2026', '\0']), made(['no date', 'aaaaaaaaaa']), made([1, 2]), tooEarly]) {
      expect(await refusal(list(10, pageToken))).toMatchObject({ kind: 'invalidArgument', field: 'page_token' })
    }
  })

  test('takes filters, and names the one that it does not know', async () => {
    const { token: made } = await as('operator').createToken(createRequest({ labels: { env: 'prod' }, roles: ['db'] }))
    await as('operator').createToken(createRequest())
    const ended = (await as('operator').createToken(createRequest())).token!
    await as('operator').revokeToken({ idOrValue: ended.id })
    const ids = async (overrides: Partial<token.ListTokensRequest>) =>
      (await as('viewer').listTokens(listRequest(overrides))).tokens.map(({ id }) => id)
    expect(await ids({ labels: { env: 'prod' } })).toEqual([made!.id])
    expect(await ids({ roles: ['DB'] })).toEqual([made!.id])
    expect(await ids({ states: [token.TokenState.REVOKED] })).toEqual([ended.id])
    expect(await ids({ types: [token.TokenType.SIGNUP] })).toEqual([])
    const wrong: Record<string, Partial<token.ListTokensRequest>> = {
      types: { types: [token.TokenType.UNSPECIFIED] },
      states: { states: [9 as token.TokenState] },
      roles: { roles: ['king'] },
      labels: { labels: { 'a b': '' } },
    }
    for (const [field, overrides] of Object.entries(wrong)) {
      expect(await refusal(ids(overrides))).toMatchObject({ kind: 'invalidArgument', field })
    }
  })
})

describe('GetToken', () => {
  test('finds a token by id and name, whatever its state, and says when it was removed', async () => {
    const { token: made } = await as('operator').createToken(createRequest({ name: 'rack-7' }))
    expect((await as('viewer').getToken({ idOrName: 'rack-7' })).token).toEqual(made)
    await as('operator').revokeToken({ idOrValue: 'rack-7' })
    const { token: found } = await as('viewer').getToken({ idOrName: made!.id })
    expect(found!.state).toBe(token.TokenState.REVOKED)
    expect(found!.revokedAt).toBeInstanceOf(Date)
  })

  test('finds nothing by value, and does not repeat it', async () => {
    const { value } = await as('operator').createToken(createRequest())
    for (const idOrName of [value, '', 'aaaaaaaaaa', 'a\0b']) {
      const error = await refusal(as('viewer').getToken({ idOrName }))
      expect(error.kind).toBe('notFound')
      if (idOrName !== '') expect(error.message).not.toContain(idOrName)
    }
  })
})

describe('ExtendToken', () => {
  const extend = (idOrName: string, ttlSeconds = 3_600) => as('operator').extendToken({ idOrName, ttlSeconds })

  test('moves the expiry to so long from now, by id or name, and says who did it in the audit', async () => {
    const { token: made } = await as('operator').createToken(createRequest({ name: 'rack-7' }))
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

  test('keeps to the limit', async () => {
    const { token: made } = await as('operator').createToken(createRequest())
    for (const ttlSeconds of [0, 7 * DAY_SECONDS + 1]) {
      const error = await refusal(extend(made!.id, ttlSeconds))
      expect(error).toMatchObject({ kind: 'invalidArgument', field: 'ttl' })
      expect(error.message).toContain('7d')
    }
  })

  test('of a token that has ended says how, and is on record as refused', async () => {
    const end = async (value: string, how: string) => {
      const { id } = await addToken(served.pool, value)
      await served.pool.query(`update tokens set ${how} where id = $1`, [id])
      return refusal(extend(id))
    }
    for (const [how, word, reason] of [
      ['revoked_at = now()', 'revoked', 'TOKEN_REVOKED'],
      ['expires_at = now()', 'expired', 'TOKEN_EXPIRED'],
      ['max_uses = 1, uses = 1', 'used', 'TOKEN_USED_UP'],
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
      { ...refused, reason: 'NOT_FOUND', hasToken: false },
    ])
  })
})

describe('a signup token', () => {
  const createdBy = 'spiffe://test.muster.internal/user/ada'
  const createFor = (userName: string, ttlSeconds = 3_600) =>
    as('registration-service').createSignupToken({ userName, ttlSeconds, createdBy })

  test('is made for one person, shown once, and stands in the list beside the others', async () => {
    const { token: made, value } = await createFor('bo')
    expect(value).toMatch(/^mtk_[a-z2-7]{10}_[a-z2-7]{32}$/)
    expect(made).toMatchObject({
      type: token.TokenType.SIGNUP,
      userName: 'bo',
      roles: [],
      maxUses: 1,
      uses: 0,
      createdBy,
    })
    expect((await as('viewer').listTokens(listRequest())).tokens).toEqual([made])
    const { rows } = await served.pool.query('select action, actor, token_id, details from audit_events')
    const details = { type: 'signup', user: 'bo', ttlSeconds: 3_600 }
    expect(rows).toEqual([{ action: 'token.create', actor: createdBy, token_id: made!.id, details }])
  })

  test('admits that person once', async () => {
    const { token: made, value } = await createFor('bo')
    const other = await spend(signupRequest(value, 'cy'))
    expect(other.value).toMatchObject({ reason: 'TOKEN_RESTRICTED', restriction: 'user', tokenId: made!.id })
    expect((await spend(spendRequest(value))).value).toMatchObject({ reason: 'TOKEN_WRONG_TYPE' })
    expect((await spend(signupRequest(value, 'bo'))).$case).toBe('spent')
    expect((await spend(signupRequest(value, 'bo'))).value).toMatchObject({ reason: 'TOKEN_USED_UP' })
  })

  test('takes the place of the one before, also if that was used', async () => {
    const first = await createFor('bo')
    const key = newKey()
    await spend(signupRequest(first.value, 'bo', key))
    const second = await createFor('bo')
    expect((await spend(signupRequest(first.value, 'bo', key))).value).toMatchObject({ reason: 'TOKEN_REVOKED' })
    expect((await spend(signupRequest(second.value, 'bo', key))).$case).toBe('spent')
  })

  test('made by 64 calls at once for one person is one token that works', async () => {
    const clients = [
      as('registration-service'),
      served.otherClient(served.cluster.service('registration-service')),
    ] as const
    const made = await Promise.all(
      Array.from({ length: 64 }, (_, i) =>
        clients[i % 2]!.createSignupToken({ userName: 'bo', ttlSeconds: 60, createdBy }),
      ),
    )
    const results = await Promise.all(made.map(({ value }) => spend(signupRequest(value, 'bo'))))
    expect(results.filter(({ $case }) => $case === 'spent')).toHaveLength(1)
    expect((await as('viewer').listTokens(listRequest({ states: [token.TokenState.USED_UP] }))).tokens).toHaveLength(1)
  })

  test('ends with those of its person, again and again, and with those of nobody else', async () => {
    const bo = await createFor('bo')
    const cy = await createFor('cy')
    const end = () => as('registration-service').revokeSignupTokens({ userName: 'bo', revokedBy: createdBy })
    await end()
    await end()
    expect((await spend(signupRequest(bo.value, 'bo'))).value).toMatchObject({ reason: 'TOKEN_REVOKED' })
    expect((await spend(signupRequest(cy.value, 'cy'))).$case).toBe('spent')
    const { rows } = await served.pool.query(`select actor, token_id from audit_events where action = 'token.revoke'`)
    expect(rows).toEqual([{ actor: createdBy, token_id: bo.token!.id }])
  })

  test('can be removed by an operator, and not extended', async () => {
    const { token: made, value } = await createFor('bo')
    const error = await refusal(as('operator').extendToken({ idOrName: made!.id, ttlSeconds: 60 }))
    expect(error).toMatchObject({ kind: 'failedPrecondition' })
    expect(error.message).toContain("'musterctl users reset bo'")
    await as('operator').revokeToken({ idOrValue: made!.id })
    expect((await spend(signupRequest(value, 'bo'))).value).toMatchObject({ reason: 'TOKEN_REVOKED' })
  })

  test('is refused for who is no person, for too long, and on behalf of nobody', async () => {
    expect((await refusal(createFor('Bo'))).field).toBe('user_name')
    for (const ttlSeconds of [0, 2 * DAY_SECONDS + 1]) {
      const error = await refusal(createFor('bo', ttlSeconds))
      expect(error.field).toBe('ttl')
      expect(error.message).toContain('2d')
    }
    const request = { userName: 'bo', ttlSeconds: 60, createdBy: 'ada' }
    expect((await refusal(as('registration-service').createSignupToken(request))).field).toBe('created_by')
    const end = as('registration-service').revokeSignupTokens({ userName: 'bo', revokedBy: '' })
    expect((await refusal(end)).field).toBe('revoked_by')
    expect((await served.pool.query('select from tokens')).rowCount).toBe(0)
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

  test('of a token that is not there says so without repeating it, and is on record', async () => {
    const error = await refusal(as('operator').revokeToken({ idOrValue: 'CANARY-token-value-that-is-wrong' }))
    expect(error.kind).toBe('notFound')
    expect(error.message).not.toContain('CANARY')
    expect((await refusal(as('operator').revokeToken({ idOrValue: 'aaaaaaaaaa' }))).kind).toBe('notFound')
    await served.refusals.close()
    const { rows } = await served.pool.query('select * from audit_events')
    expect(rows).toMatchObject([{ action: 'token.revoke', outcome: 'refused', reason: 'NOT_FOUND', count: 2 }])
    expect(JSON.stringify(rows)).not.toContain('CANARY')
  })

  test('of a token that has ended says how, and is on record', async () => {
    const { id: revoked } = await addToken(served.pool, 'revoked')
    const { id: expired } = await addToken(served.pool, 'expired')
    await served.pool.query('update tokens set revoked_at = now() where id = $1', [revoked])
    await served.pool.query('update tokens set expires_at = now() where id = $1', [expired])
    for (const [id, how] of [
      [revoked, 'has been revoked already'],
      [expired, 'has expired'],
    ] as const) {
      const error = await refusal(as('operator').revokeToken({ idOrValue: id }))
      expect(error).toMatchObject({ kind: 'notFound', message: expect.stringContaining(how) })
    }
    const { rows } = await served.pool.query('select reason, token_id from audit_events order by id')
    expect(rows).toEqual([
      { reason: 'NOT_FOUND', token_id: revoked },
      { reason: 'NOT_FOUND', token_id: expired },
    ])
  })
})

describe('no secret', () => {
  test('is in any table or any line of the log, whatever was done with the tokens', async () => {
    lines.length = 0
    const operator = as('operator')
    const generated = await operator.createToken(createRequest())
    const chosen = 'CANARY-value-of-the-operators-own'
    await operator.createToken(createRequest({ maxUses: 1, value: chosen }))
    for (const value of [generated.value, chosen, chosen, 'CANARY-value-that-nobody-made']) {
      await spend(spendRequest(value))
    }
    await operator.createToken(createRequest({ value: chosen })).catch(() => {})
    await operator.revokeToken({ idOrValue: chosen })
    await operator.revokeToken({ idOrValue: 'CANARY-value-that-is-wrong' }).catch(() => {})
    const createdBy = 'spiffe://test.muster.internal/user/ada'
    const signup = await as('registration-service').createSignupToken({ userName: 'bo', ttlSeconds: 60, createdBy })
    for (const name of ['bo', 'cy']) await spend(signupRequest(signup.value, name))
    await operator.extendToken({ idOrName: generated.token!.id, ttlSeconds: 90 })
    await operator.extendToken({ idOrName: chosen, ttlSeconds: 90 }).catch(() => {})
    await as('viewer')
      .getToken({ idOrName: chosen })
      .catch(() => {})
    await as('viewer').listTokens(listRequest())

    const dump = await served.database.dump('token')
    expect(dump).toContain(generated.token!.id)
    const said = lines.join('')
    expect(said).toContain(generated.token!.id)
    const secrets = [generated.value, signup.value].map((value) => value.split('_')[2]!)
    for (const text of [dump, said]) {
      expect(text).not.toContain('CANARY')
      for (const secret of secrets) expect(text).not.toContain(secret)
      // Nor in the ways that Postgres and JSON write bytes.
      for (const hidden of [...secrets, chosen, PEPPER.toString()]) {
        expect(text).not.toContain(Buffer.from(hidden).toString('hex'))
        expect(text).not.toContain(Buffer.from(hidden).toString('base64').replace(/=+$/, ''))
      }
    }
  })
})
