import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { bots } from '@muster/contracts'
import { AppError } from '@muster/domain'
import { generateKey, parseIdentity, publicKeyDer } from '@muster/pki'
import { joinRequest, refusal, serveRegistration, type Served } from '../../test/support/service.ts'
import { purgeBots } from './bots.ts'

const { BotState } = bots
const away = new AppError('unavailable', 'away')
let served: Served

beforeAll(async () => {
  served = await serveRegistration()
})
beforeEach(async () => {
  await served.deps.refusals.close()
  await served.pool.query('truncate nodes, bots, bot_keys, audit_events')
  await served.forgetRefusals()
  served.tokens.refusal = undefined
  served.tokens.carries = { botName: 'ci' }
  served.tokens.failure = undefined
  served.authority.failure = undefined
  served.tokens.spends.length = 0
})
afterAll(async () => {
  await served.close()
})

const botRequest = (privateKey = generateKey(), overrides: Parameters<typeof joinRequest>[0] = {}) =>
  joinRequest({ roles: ['bot'], hostname: 'runner-1', ...overrides }, privateKey)

function register(request = botRequest()) {
  return served.client(served.cluster.anonymous()).register(request)
}

function list(overrides: Partial<bots.ListBotsRequest> = {}) {
  const connection = served.connect(served.cluster.user('ada', 'viewer'))
  return connection.client(bots.BotServiceService).listBots({ pageSize: 0, pageToken: '', tokenId: '', ...overrides })
}

async function audits() {
  const { rows } = await served.pool.query(
    'select action, outcome, reason, token_id, node_id, details from audit_events order by id',
  )
  return rows as Record<string, unknown>[]
}

describe('a bot that joins', () => {
  test('a bot that joins gets a certificate for the name in its token, and is not a node', async () => {
    const privateKey = generateKey()
    const reply = await register(botRequest(privateKey))
    expect(reply).toMatchObject({ botName: 'ci', heartbeat: undefined })
    expect(parseIdentity(reply.certificate!.chainDer[0]!)).toMatchObject({
      spiffeId: `spiffe://${served.cluster.clusterName}/bot/ci`,
      publicKeyDer: publicKeyDer(privateKey),
    })
    expect((await served.pool.query('select from nodes')).rowCount).toBe(0)
    expect(await audits()).toEqual([
      {
        action: 'bot.join',
        outcome: 'ok',
        reason: null,
        token_id: 'abcdefghij',
        node_id: reply.nodeId,
        details: { name: 'ci', hostname: 'runner-1', serial: reply.certificate!.serial },
      },
    ])
  })

  test('a bot that joins is in the list of bots', async () => {
    const { nodeId, certificate } = await register()
    expect((await list()).bots).toEqual([
      {
        id: nodeId,
        name: 'ci',
        state: BotState.ACTIVE,
        generation: 1,
        hostname: 'runner-1',
        remoteAddress: '127.0.0.1',
        tokenId: 'abcdefghij',
        joinedAt: expect.any(Date),
        renewedAt: undefined,
        certificateExpiresAt: certificate!.expiresAt,
        lockedAt: undefined,
        lockedFrom: '',
      },
    ])
  })

  test('a bot that requests to join 64 times at once joins once', async () => {
    const request = botRequest()
    const replies = await Promise.all(Array.from({ length: 64 }, () => register(request)))
    expect(new Set(replies.map(({ nodeId }) => nodeId)).size).toBe(1)
    expect((await list()).bots).toHaveLength(1)
  })

  test.each([
    ['the token is spent', () => (served.tokens.failure = { error: away, afterwards: true })],
    ['its key is to be signed', () => (served.authority.failure = { error: away })],
    ['its key is signed', () => (served.authority.failure = { error: away, afterwards: true })],
  ])('a bot whose join breaks off when %s is the same bot after a retry', async (_when, breaks) => {
    const request = botRequest()
    breaks()
    expect((await refusal(register(request))).kind).toBe('unavailable')
    expect((await list()).bots).toEqual([])
    served.tokens.failure = undefined
    served.authority.failure = undefined
    const { nodeId } = await register(request)
    expect((await list()).bots).toMatchObject([{ id: nodeId, generation: 1 }])
  })

  test('a bot cannot join with another role', async () => {
    const error = await refusal(register(botRequest(undefined, { roles: ['bot', 'node'] })))
    expect(error).toMatchObject({ kind: 'invalidArgument', field: 'roles' })
    expect(served.tokens.spends).toEqual([])
  })

  test('a bot whose join is refused is recorded as a bot', async () => {
    served.tokens.refusal = () => ({ reason: 'TOKEN_USED_UP', tokenId: 'zyxwvutsrq' })
    expect((await refusal(register())).reason).toBe('TOKEN_USED_UP')
    expect(await audits()).toMatchObject([{ action: 'bot.join', outcome: 'refused', token_id: 'zyxwvutsrq' }])
  })
})

describe('a key that has joined before', () => {
  test.each<[string, string]>([
    ['went on to another key', 'generation = 2'],
    ['is locked', 'locked_at = now()'],
    ['was removed', 'joined_at = null, removed_at = now()'],
    ['came in by another token', `token_id = 'zyxwvutsrq'`],
  ])('a key that has joined before is refused when its instance %s, and no token is spent', async (_why, change) => {
    const request = botRequest()
    await register(request)
    await served.pool.query(`update bots set ${change}`)
    served.tokens.spends.length = 0
    expect(await refusal(register(request))).toMatchObject({ kind: 'failedPrecondition', reason: 'KEY_USED_BEFORE' })
    expect(served.tokens.spends).toEqual([])
  })

  test('a key that has joined before is refused with a custom token too, since the key stays with its instance', async () => {
    const key = generateKey()
    const { nodeId } = await register(botRequest(key))
    const again = botRequest(key, { token: 'a-token-of-my-own-choosing' })
    expect(await refusal(register(again))).toMatchObject({ reason: 'KEY_USED_BEFORE' })
    expect((await list()).bots.map(({ id }) => id)).toEqual([nodeId])
  })
})

describe('the list of bots', () => {
  async function add(name: string, overrides: Record<string, unknown> = {}): Promise<string> {
    const row = { id: randomUUID(), name, hostname: 'h', remote_address: '10.0.0.1', token_id: 'abcdefghij' }
    const columns = {
      ...row,
      joined_at: new Date(),
      certificate_expires_at: new Date(Date.now() + 60_000),
      ...overrides,
    }
    const places = Object.keys(columns).map((_, i) => `$${i + 1}`)
    await served.pool.query(
      `insert into bots (${Object.keys(columns).join(', ')}) values (${places.join(', ')})`,
      Object.values(columns),
    )
    return columns.id
  }

  test('the list of bots says which are active, expired and locked', async () => {
    const past = new Date(Date.now() - 60_000)
    await add('a')
    await add('b', { certificate_expires_at: past, generation: 7, renewed_at: past })
    await add('c', { locked_at: past, locked_from: '10.0.0.66' })
    await add('d', { joined_at: null })
    expect((await list()).bots).toMatchObject([
      { name: 'a', state: BotState.ACTIVE, generation: 1 },
      { name: 'b', state: BotState.EXPIRED, generation: 7, renewedAt: past },
      { name: 'c', state: BotState.LOCKED, lockedAt: past, lockedFrom: '10.0.0.66' },
    ])
  })

  test('the list of bots comes in pages that follow each other, also where bots have the same name', async () => {
    for (let i = 0; i < 7; i++) await add(`ci-${i % 2}`, { token_id: i < 5 ? 'abcdefghij' : 'zyxwvutsrq' })
    const seen: string[] = []
    let pageToken = ''
    do {
      const page = await list({ pageSize: 2, pageToken })
      seen.push(...page.bots.map(({ id }) => id))
      pageToken = page.nextPageToken
    } while (pageToken !== '')
    expect(seen).toEqual((await list()).bots.map(({ id }) => id))
    expect(new Set(seen).size).toBe(7)
    expect((await list({ tokenId: 'zyxwvutsrq' })).bots).toHaveLength(2)
    expect(await refusal(list({ tokenId: 'x' }))).toMatchObject({ kind: 'invalidArgument', field: 'token_id' })
    expect(await refusal(list({ pageToken: 'x' }))).toMatchObject({ kind: 'invalidArgument', field: 'page_token' })
  })

  test('the list of bots forgets bots whose last certificate expired 30 days ago, joins that were never finished, and removed bots after a day', async () => {
    const days = (count: number) => new Date(Date.now() - count * 86_400_000)
    const kept = [
      await add('recent', { certificate_expires_at: days(29) }),
      await add('joining', { joined_at: null, certificate_expires_at: null }),
      await add('removed', { joined_at: null, created_at: days(20), removed_at: days(0.9) }),
    ]
    await add('old', { certificate_expires_at: days(31) })
    await add('old-and-locked', { certificate_expires_at: days(31), locked_at: days(31) })
    await add('removed-long-ago', { joined_at: null, removed_at: days(1.1) })
    await add('stuck', { joined_at: null, certificate_expires_at: null, created_at: days(1.1) })
    await purgeBots(served.pool, new AbortController().signal)
    const { rows } = await served.pool.query<{ id: string }>('select id from bots')
    expect(new Set(rows.map(({ id }) => id))).toEqual(new Set(kept))
  })

  test('the list of bots forgets keys that are older than any certificate for them, except the last two', async () => {
    const id = await add('ci', { generation: 4 })
    for (const generation of [1, 2, 3, 4]) {
      await served.pool.query(
        `insert into bot_keys (key_fingerprint, bot_id, generation, recorded_at)
         values ($1, $2, $3, now() - interval '31 days')`,
        [Buffer.alloc(32, generation), id, generation],
      )
    }
    await purgeBots(served.pool, new AbortController().signal)
    const { rows } = await served.pool.query('select generation from bot_keys order by generation')
    expect(rows).toEqual([{ generation: 3 }, { generation: 4 }])
  })
})
