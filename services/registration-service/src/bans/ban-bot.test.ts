import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { bots } from '@muster/contracts'
import { createCsr, generateKey } from '@muster/pki'
import { randomUUID, type KeyObject } from 'node:crypto'
import { joinRequest, refusal, serveRegistration, type Served } from '../../test/support/service.ts'

let served: Served
let key: KeyObject
let botId: string

beforeAll(async () => {
  served = await serveRegistration()
})
beforeEach(async () => {
  await served.deps.refusals.close()
  await served.pool.query('truncate nodes, bots, bot_keys, audit_events')
  await served.forgetRefusals()
  served.tokens.carries = { botName: 'ci' }
  served.authority.meanwhile = undefined
  key = generateKey()
  botId = (await join(key)).nodeId
  await served.pool.query(`update bots set certificate_issued_at = now() - interval '30 minutes'`)
})
afterAll(async () => {
  await served.close()
})

const join = (privateKey: KeyObject) =>
  served.client(served.cluster.anonymous()).register(joinRequest({ roles: ['bot'] }, privateKey))

const operator = () => served.connect(served.cluster.user('ada', 'operator')).client(bots.BotServiceService)
const ban = () => operator().banBot({ botId, durationSeconds: 3600, reason: 'leaked' })

function renew() {
  const member = served.cluster.member({ kind: 'bot', name: 'ci', privateKey: key })
  const csrDer = createCsr({ privateKey: generateKey(), commonName: 'ci' })
  return served.connect(member).client(bots.BotServiceService).renewBot({ csrDer })
}

describe('a banned bot', () => {
  test('a banned bot is listed as banned, and its renewal is refused and in the audit', async () => {
    expect((await ban()).bot).toMatchObject({ id: botId, state: bots.BotState.BANNED, ban: { reason: 'leaked' } })
    expect(await refusal(renew())).toMatchObject({ kind: 'permissionDenied', reason: 'BOT_BANNED' })
    const { rows } = await served.pool.query('select action, outcome, reason from audit_events order by id')
    expect(rows).toEqual([
      { action: 'bot.join', outcome: 'ok', reason: null },
      { action: 'bot.ban', outcome: 'ok', reason: null },
      { action: 'bot.renew', outcome: 'refused', reason: 'BOT_BANNED' },
    ])
  })

  test('a bot that is banned while its certificate is signed gets no certificate', async () => {
    served.authority.meanwhile = async () => void (await ban())
    expect(await refusal(renew())).toMatchObject({ reason: 'BOT_BANNED' })
  })

  test('the key of a banned bot cannot join again', async () => {
    await ban()
    expect(await refusal(join(key))).toMatchObject({ reason: 'KEY_BANNED' })
  })

  test('an unbanned bot renews', async () => {
    await ban()
    expect((await operator().unbanBot({ botId })).bot).toMatchObject({ state: bots.BotState.ACTIVE, ban: undefined })
    await expect(renew()).resolves.toMatchObject({ generation: 2 })
  })

  test('an instance that does not exist is neither banned nor unbanned', async () => {
    botId = randomUUID()
    expect(await refusal(ban())).toMatchObject({ reason: 'BOT_NOT_FOUND' })
    expect(await refusal(operator().unbanBot({ botId }))).toMatchObject({ reason: 'BOT_NOT_FOUND' })
  })
})
