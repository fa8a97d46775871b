import { randomUUID, type KeyObject } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { bots } from '@muster/contracts'
import { createCsr, generateKey, keyFingerprint, publicKeyDer } from '@muster/pki'
import { eventually } from '@muster/testkit'
import {
  granted,
  joinRequest,
  refusal,
  serveRegistration,
  type Replica,
  type Served,
} from '../../test/support/service.ts'
import { activateBot, purgeBots, recordJoiningBot } from './bots.ts'

let served: Served
let other: Replica

beforeAll(async () => {
  served = await serveRegistration({ refusedPerMinute: 1_000 })
  other = await served.addReplica()
})
beforeEach(async () => {
  for (const { deps } of [served, other]) await deps.refusals.close()
  await served.pool.query('truncate bots, bot_keys, audit_events')
  served.tokens.carries = { botName: 'ci' }
  served.authority.meanwhile = undefined
  served.authority.signedBots.length = 0
})
afterAll(async () => {
  await served.close()
})

const operator = (replica: Replica = served) =>
  replica.connect(served.cluster.user('ada', 'operator')).client(bots.BotServiceService)

function remove(botId: string, replica: Replica = served) {
  return operator(replica).removeBot({ botId })
}

function register(request: ReturnType<typeof joinRequest>, replica: Replica = served) {
  return replica.client(served.cluster.anonymous()).register(request)
}

const fingerprint = (key: KeyObject) => keyFingerprint(publicKeyDer(key))

const botRequest = (key: KeyObject) => joinRequest({ roles: ['bot'], hostname: 'runner-1' }, key)

/** An instance of the bot `ci` that may renew now. */
async function joined() {
  const key = generateKey()
  const request = botRequest(key)
  const { nodeId: id } = await register(request)
  await letTimePass()
  return { id, key, request }
}

async function letTimePass(): Promise<void> {
  await served.pool.query(`update bots set certificate_issued_at = certificate_issued_at - interval '30 minutes'`)
}

function renew(key: KeyObject, next = generateKey(), replica: Replica = served) {
  const shown = served.cluster.member({ kind: 'bot', name: 'ci', privateKey: key })
  const csrDer = createCsr({ privateKey: next, commonName: 'next' })
  return replica.connect(shown).client(bots.BotServiceService).renewBot({ csrDer })
}

async function list(): Promise<string[]> {
  const { bots: found } = await operator().listBots({ pageSize: 0, pageToken: '', tokenId: '' })
  return found.map(({ id }) => id)
}

async function audits(action: string) {
  for (const { deps } of [served, other]) await deps.refusals.close()
  const { rows } = await served.pool.query<Record<string, unknown>>(
    `select actor, remote_address, outcome, reason, token_id, node_id, details
       from audit_events
      where action = $1
      order by id`,
    [action],
  )
  return rows
}

describe('a removed bot', () => {
  test('a removed bot is shown once more as it was, and leaves the list; others of its name stay', async () => {
    const [one, two] = [await joined(), await joined()]
    await renew(one.key)
    const { bot } = await remove(one.id)
    expect(bot).toMatchObject({ id: one.id, name: 'ci', state: bots.BotState.ACTIVE, generation: 2 })
    expect(await list()).toEqual([two.id])
    expect((await renew(two.key)).generation).toBe(2)
    expect(await audits('bot.remove')).toEqual([
      {
        actor: served.cluster.user('ada', 'operator').spiffeId,
        remote_address: '127.0.0.1',
        outcome: 'ok',
        reason: null,
        token_id: 'abcdefghij',
        node_id: one.id,
        details: { name: 'ci', hostname: 'runner-1', generation: 2 },
      },
    ])
  })

  test('a removed bot is refused when it renews, with its key or the one before, and is not locked', async () => {
    const { id, key } = await joined()
    const next = generateKey()
    await renew(key, next)
    await letTimePass()
    await remove(id)
    for (const [shown, asked] of [
      [next, generateKey()],
      [key, next],
    ] as const) {
      expect(await refusal(renew(shown, asked, other))).toMatchObject({
        kind: 'failedPrecondition',
        reason: 'BOT_UNKNOWN',
        message: expect.stringContaining("'musterctl tokens add --type=bot --bot-name=ci'"),
      })
    }
    expect((await audits('bot.renew')).at(-1)).toMatchObject({ outcome: 'refused', reason: 'BOT_UNKNOWN' })
    expect(await audits('bot.lock')).toEqual([])
  })

  test('a removed bot does not come in again by repeating its join, though its token allows it, nor with that key and another token', async () => {
    const { id, key, request } = await joined()
    await remove(id)
    const signed = served.authority.signedBots.length
    expect(await refusal(register(request))).toMatchObject({ kind: 'failedPrecondition', reason: 'KEY_USED_BEFORE' })
    const others = { ...botRequest(key), token: 'a-token-of-my-own-choosing' }
    expect(await refusal(register(others))).toMatchObject({ reason: 'KEY_USED_BEFORE' })
    expect(served.authority.signedBots).toHaveLength(signed)
    expect(await list()).toEqual([])
    expect((await audits('bot.join')).at(-1)).toMatchObject({ outcome: 'refused', reason: 'KEY_USED_BEFORE' })
  })

  test.each<[string, (bot: Awaited<ReturnType<typeof joined>>) => Promise<unknown>, string]>([
    ['its renewal', ({ key }) => renew(key), 'BOT_UNKNOWN'],
    ['its join, which it repeats,', ({ request }) => register(request), 'KEY_USED_BEFORE'],
  ])('a bot that is removed while %s is being signed gets no certificate', async (_what, act, reason) => {
    const bot = await joined()
    served.authority.meanwhile = () => remove(bot.id, other)
    expect(await refusal(act(bot))).toMatchObject({ kind: 'failedPrecondition', reason })
    expect(await list()).toEqual([])
  })

  test('a removed bot that was locked is gone as well', async () => {
    const { id } = await joined()
    await served.pool.query('update bots set locked_at = now()')
    expect((await remove(id)).bot).toMatchObject({ state: bots.BotState.LOCKED })
    expect(await list()).toEqual([])
  })
})

describe('the removal of a bot', () => {
  test('a removal that is repeated, or of an id that is not a bot, is answered NOT_FOUND and recorded', async () => {
    const { id } = await joined()
    await remove(id)
    for (const unknown of [id, randomUUID()]) {
      expect(await refusal(remove(unknown))).toMatchObject({ kind: 'notFound', reason: 'BOT_NOT_FOUND' })
    }
    expect(await refusal(remove('ci'))).toMatchObject({ kind: 'invalidArgument', field: 'bot_id' })
    expect((await audits('bot.remove')).map(({ outcome, reason }) => [outcome, reason])).toEqual([
      ['ok', null],
      ['refused', 'BOT_NOT_FOUND'],
      ['refused', 'BOT_NOT_FOUND'],
    ])
  })

  test('a removal does not affect a join in progress', async () => {
    const { id, request } = await joined()
    await served.pool.query('update bots set joined_at = null')
    expect(await refusal(remove(id))).toMatchObject({ kind: 'notFound' })
    expect((await register(request)).nodeId).toBe(id)
  })

  test('a removal is final for a join that had found the key good before', async () => {
    const { id, key } = await joined()
    await remove(id)
    const facts = { id, name: 'ci', hostname: 'runner-1', remoteAddress: '10.0.0.1', tokenId: 'abcdefghij' }
    const bot = { ...facts, keyFingerprint: fingerprint(key), spentAt: new Date() }
    expect(await recordJoiningBot(served.pool, bot)).toBe(false)
    expect(await activateBot(served.pool, id, granted('aa', new Date(Date.now() + 3_600_000)))).toBe(false)
  })

  test('a removed bot whose row has been purged cannot come back by the spend of its token', async () => {
    const { id, key } = await joined()
    await remove(id)
    await served.pool.query(`update bots set removed_at = now() - interval '25 hours'`)
    await purgeBots(served.pool, new AbortController().signal)
    const facts = { id, name: 'ci', hostname: 'runner-1', remoteAddress: '10.0.0.1', tokenId: 'abcdefghij' }
    const bot = { ...facts, keyFingerprint: fingerprint(key), spentAt: new Date(Date.now() - 25 * 3_600_000) }
    expect(await recordJoiningBot(served.pool, bot)).toBe(false)
  })

  test('a removal raced by renewals and repeated joins on two replicas is not undone, and 32 removals at once are one', async () => {
    const { id, key, request } = await joined()
    const next = generateKey()
    // The test locks the row until every call waits for it, or for a connection.
    const holder = await served.pool.connect()
    await holder.query('begin')
    await holder.query('select from bots for update')
    const calls = Array.from({ length: 96 }, (_, i) => {
      const replica = [served, other][i % 2]!
      if (i % 3 === 0) return remove(id, replica)
      return i % 3 === 1 ? renew(key, next, replica) : register(request, replica)
    })
    const outcomes = Promise.allSettled(calls)
    const waiting = () => served.pool.waitingCount + other.pool.waitingCount
    await eventually('all waiting that can', () => waiting() >= calls.length - 2 * 10 + 1)
    await holder.query('commit')
    holder.release()
    await outcomes
    expect(await list()).toEqual([])
    expect((await audits('bot.remove')).filter(({ outcome }) => outcome === 'ok')).toHaveLength(1)
    expect(await refusal(renew(key, next))).toMatchObject({ reason: 'BOT_UNKNOWN' })
    expect(await refusal(register(request))).toMatchObject({ reason: 'KEY_USED_BEFORE' })
  })
})
