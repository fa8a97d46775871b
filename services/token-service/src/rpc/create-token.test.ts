import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { token } from '@muster/contracts'
import type { AppError } from '@muster/domain'
import { createRequest, DAY_SECONDS, refusal, serveTokens, type Served } from '../../test/support/service.ts'

let served: Served
let client: ReturnType<Served['client']>

beforeAll(async () => {
  served = await serveTokens()
  client = served.client(served.cluster.user('ada', 'operator'))
})
afterAll(async () => {
  await served.close()
})

const request = createRequest

function refused(overrides: Partial<token.CreateTokenRequest>): Promise<AppError> {
  return refusal(client.createToken(request(overrides)))
}

async function tokenCount(): Promise<number> {
  const { rows } = await served.pool.query<{ count: number }>('select count(*)::int as count from tokens')
  return rows[0]!.count
}

describe('a created token', () => {
  test('a token is created as requested, and shown with its value', async () => {
    const before = Date.now()
    const reply = await client.createToken(
      request({
        roles: ['Proxy', 'node'],
        labels: { env: 'prod' },
        description: 'rack 7',
        maxUses: 3,
        ttlSeconds: 3_600,
      }),
    )
    expect(reply.value).toMatch(/^mtk_[a-z2-7]{10}_[a-z2-7]{32}$/)
    expect(reply.token).toMatchObject({
      id: reply.value.split('_')[1],
      roles: ['node', 'proxy'],
      labels: { env: 'prod' },
      description: 'rack 7',
      botName: '',
      name: '',
      userName: '',
      type: token.TokenType.JOIN,
      state: token.TokenState.LIVE,
      restrictions: { allowCidrs: [], allowHostnames: [] },
      nodeLabels: {},
      revokedAt: undefined,
      createdBy: `spiffe://${served.cluster.clusterName}/user/ada`,
      maxUses: 3,
      uses: 0,
    })
    const lifeMs = reply.token!.expiresAt!.getTime() - before
    expect(lifeMs).toBeGreaterThan(3_590_000)
    expect(lifeMs).toBeLessThan(3_610_000)
  })

  test('a token has no limit of uses unless one is given', async () => {
    expect((await client.createToken(request())).token!.maxUses).toBeUndefined()
  })

  test('a token for a bot admits one instance, and names the bot', async () => {
    const { token: made } = await client.createToken(request({ roles: ['bot'], botName: 'ci-1' }))
    expect(made).toMatchObject({ maxUses: 1, botName: 'ci-1' })
    expect((await client.createToken(request({ roles: ['bot'], botName: 'ci-2', maxUses: 1 }))).token!.maxUses).toBe(1)
  })

  test('a token carries its restrictions and the labels of its nodes, checked and normalised', async () => {
    const { token: made } = await client.createToken(
      request({
        name: 'rack-7',
        restrictions: { allowCidrs: ['10.0.0.1', '::ffff:10.0.0.0/104'], allowHostnames: ['Web-*'] },
        nodeLabels: { rack: '7' },
      }),
    )
    expect(made).toMatchObject({
      name: 'rack-7',
      restrictions: { allowCidrs: ['10.0.0.1/32', '10.0.0.0/8'], allowHostnames: ['web-*'] },
      nodeLabels: { rack: '7' },
    })
    const { rows } = await served.pool.query('select details from audit_events where token_id = $1', [made!.id])
    expect(rows).toMatchObject([{ details: { name: 'rack-7', allowHostnames: ['web-*'], nodeLabels: { rack: '7' } } }])
  })

  test('a token is recorded with its creator, and without its value', async () => {
    const { value, token: made } = await client.createToken(request())
    const { rows } = await served.pool.query<Record<string, unknown>>(
      'select action, actor, remote_address, outcome, token_id, details::text from audit_events where token_id = $1',
      [made!.id],
    )
    expect(rows).toMatchObject([
      { action: 'token.create', actor: made!.createdBy, remote_address: '127.0.0.1', outcome: 'ok' },
    ])
    expect(JSON.stringify(rows)).not.toContain(value.split('_')[2])
  })
})

describe('refused requests for a token', () => {
  test.each<[string, string, Partial<token.CreateTokenRequest>]>([
    ['without a role', 'roles', { roles: [] }],
    ['for a role that is not known', 'roles', { roles: ['node', 'king'] }],
    ["for an operator's role", 'roles', { roles: ['admin'] }],
    ['without a time to live', 'ttl', { ttlSeconds: 0 }],
    ['for longer than allowed', 'ttl', { ttlSeconds: 7 * DAY_SECONDS + 1 }],
    ['for no use', 'max_uses', { maxUses: 0 }],
    ['for more uses than a million', 'max_uses', { maxUses: 1_000_001 }],
    ['for a bot without a name', 'bot_name', { roles: ['bot'] }],
    ['for a bot with an invalid name', 'bot_name', { roles: ['bot'], botName: '../x' }],
    ['for a bot used twice', 'max_uses', { roles: ['bot'], botName: 'ci', maxUses: 2 }],
    ['for a bot that is a node too', 'roles', { roles: ['bot', 'node'], botName: 'ci' }],
    ['for a node with the name of a bot', 'bot_name', { botName: 'ci' }],
    ['with 65 labels', 'labels', { labels: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, ''])) }],
    ['with a label of no form', 'labels', { labels: { 'a b': 'c' } }],
    ['with a description that is too long', 'description', { description: 'x'.repeat(257) }],
    ['with a description of several lines', 'description', { description: 'a\nb' }],
    ['with an invalid name', 'name', { name: 'No Name' }],
    ['with a name of the form of an id', 'name', { name: 'abcdefghij' }],
    ['with a label for nodes of no form', 'node_labels', { nodeLabels: { 'a b': 'c' } }],
    ['with an invalid network', 'allow_cidr', { restrictions: { allowCidrs: ['10.0.0.0/33'], allowHostnames: [] } }],
    [
      'with an invalid host name pattern',
      'allow_hostname',
      { restrictions: { allowCidrs: [], allowHostnames: ['a b'] } },
    ],
    ['with a value of 15 characters', 'value', { value: 'x'.repeat(15) }],
    ['with a value that looks generated', 'value', { value: 'mtk_of_my_own_making' }],
    ['with a value that looks like a path', 'value', { value: '/run/secrets/token' }],
  ])('a request for a token %s is refused, and nothing is stored', async (_what, field, overrides) => {
    const before = await tokenCount()
    expect(await refused(overrides)).toMatchObject({ kind: 'invalidArgument', field })
    expect(await tokenCount()).toBe(before)
  })

  test.each(['CANARY-15-chars', 'CANARY with spaces in it', 'CANARY-ümlaut-and-more', `CANARY${'x'.repeat(300)}`])(
    'a request for a token is refused without repeating the value %j',
    async (value) => {
      const error = await refused({ value })
      expect(error).toMatchObject({ kind: 'invalidArgument', field: 'value' })
      expect(error.message).not.toContain('CANARY')
    },
  )
})

describe('custom token values', () => {
  test('a custom token value is used unchanged', async () => {
    const value = 'My-0wn!Secret-Value-of-2026'
    expect((await client.createToken(request({ value }))).value).toBe(value)
  })

  test('a custom token value that is in use is refused without saying so; the audit has the caller, and not the value', async () => {
    const value = 'CANARY-value-that-is-used-twice'
    await client.createToken(request({ value }))
    await served.pool.query('truncate audit_events')
    const error = await refused({ value })
    expect(error).toMatchObject({ kind: 'alreadyExists', field: 'value' })
    expect(error.message).not.toMatch(/CANARY|in use|exists/)
    const { rows } = await served.pool.query('select row_to_json(audit_events) as event from audit_events')
    expect(rows).toMatchObject([
      { event: { action: 'token.create', outcome: 'refused', reason: 'VALUE_TAKEN', token_id: null } },
    ])
    expect(JSON.stringify(rows)).not.toContain('CANARY')
  })
})

describe('names of tokens', () => {
  test('a name belongs to one token, until that token has ended', async () => {
    const first = (await client.createToken(request({ name: 'one', maxUses: 1 }))).token!
    const taken = await refused({ name: 'one' })
    expect(taken).toMatchObject({ kind: 'alreadyExists', field: 'name' })
    await client.revokeToken({ idOrValue: 'one' })
    const second = (await client.createToken(request({ name: 'one' }))).token!
    expect((await client.getToken({ idOrName: 'one' })).token!.id).toBe(second.id)
    expect((await client.getToken({ idOrName: first.id })).token).toMatchObject({ name: '' })
    for (const end of ['expires_at = now()', 'max_uses = 1, uses = 1']) {
      await served.pool.query(`update tokens set ${end} where name = 'one'`)
      expect((await client.createToken(request({ name: 'one' }))).token!.name).toBe('one')
    }
  })

  test('a repeated request is refused for its name, even if its value is the same', async () => {
    const same = { name: 'twice', value: 'CANARY-value-with-a-name' }
    await client.createToken(request(same))
    expect(await refused(same)).toMatchObject({ kind: 'alreadyExists', field: 'name' })
  })

  test.each(['that is free', 'of a token that has ended'])(
    'a name %s, requested by 64 callers at once, goes to one',
    async (what) => {
      const name = what.replaceAll(' ', '-')
      if (what !== 'that is free') {
        await client.createToken(request({ name }))
        await client.revokeToken({ idOrValue: name })
      }
      const clients = [client, served.otherClient(served.cluster.user('bo', 'operator'))]
      const results = await Promise.allSettled(
        Array.from({ length: 64 }, (_, i) => clients[i % 2]!.createToken(request({ name }))),
      )
      const made = results.filter((result) => result.status === 'fulfilled')
      expect(made).toHaveLength(1)
      const refusals = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
      for (const refusal of refusals) expect(refusal).toMatchObject({ kind: 'alreadyExists', field: 'name' })
      const { rows } = await served.pool.query('select id from tokens where name = $1', [name])
      expect(rows).toEqual([{ id: made[0]!.value.token!.id }])
    },
  )
})
