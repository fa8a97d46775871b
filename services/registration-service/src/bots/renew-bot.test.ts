import type { KeyObject } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { bots } from '@muster/contracts'
import { AppError } from '@muster/domain'
import { createCsr, generateKey, keyFingerprint, parseIdentity, publicKeyDer, verifyChain } from '@muster/pki'
import { eventually } from '@muster/testkit'
import { joinRequest, refusal, serveRegistration, type Replica, type Served } from '../../test/support/service.ts'

let served: Served
let other: Replica

beforeAll(async () => {
  served = await serveRegistration()
  other = await served.addReplica()
})
beforeEach(async () => {
  for (const { deps } of [served, other]) await deps.refusals.close()
  await served.pool.query('truncate bots, bot_keys, audit_events')
  served.tokens.carries = { botName: 'ci' }
  served.authority.failure = undefined
  served.authority.meanwhile = undefined
  served.authority.signedBots.length = 0
})
afterAll(async () => {
  await served.close()
})

/** What a bot has on its disk: the key of its certificate. A holder of a copy looks like the same bot. */
interface Credentials {
  key: KeyObject
}

async function joined(): Promise<Credentials & { id: string }> {
  const key = generateKey()
  const request = joinRequest({ roles: ['bot'], hostname: 'runner-1' }, key)
  const { nodeId } = await served.client(served.cluster.anonymous()).register(request)
  await letTimePass()
  return { key, id: nodeId }
}

/** As if the last certificate had been issued half an hour ago: long enough for a renewal. */
async function letTimePass(): Promise<void> {
  await served.pool.query(`update bots set certificate_issued_at = certificate_issued_at - interval '30 minutes'`)
}

function renew({ key }: Credentials, next: KeyObject, replica: Replica = served, name = 'ci') {
  const shown = served.cluster.member({ kind: 'bot', name, privateKey: key })
  const csrDer = createCsr({ privateKey: next, commonName: 'next' })
  return replica.connect(shown).client(bots.BotServiceService).renewBot({ csrDer })
}

/** Renews and continues with the next key, as a bot does. */
async function goOn(from: Credentials): Promise<Credentials> {
  const key = generateKey()
  await renew(from, key)
  await letTimePass()
  return { key }
}

async function stored() {
  const { rows } = await served.pool.query<{ id: string; generation: number; locked: boolean; locked_from: string }>(
    'select id, generation, locked_at is not null as locked, locked_from from bots',
  )
  return rows
}

async function audits(action: string) {
  for (const { deps } of [served, other]) await deps.refusals.close()
  const { rows } = await served.pool.query<Record<string, unknown>>(
    `select actor, remote_address, outcome, reason, token_id, node_id, details, count
       from audit_events
      where action = $1
      order by id`,
    [action],
  )
  return rows
}

describe('renewals of a bot', () => {
  test('a bot renews with a new key each time, and its generation grows', async () => {
    const first = await joined()
    const next = generateKey()
    const { certificate, trustBundle, generation } = await renew(first, next)
    expect(generation).toBe(2)
    const [leafDer, ...intermediatesDer] = certificate!.chainDer as [Buffer, Buffer]
    expect(verifyChain({ leafDer, intermediatesDer, rootsDer: trustBundle!.hostRootsDer })).toBe(true)
    const spiffeId = `spiffe://${served.cluster.clusterName}/bot/ci`
    expect(parseIdentity(leafDer)).toMatchObject({ spiffeId, publicKeyDer: publicKeyDer(next) })
    expect(await audits('bot.renew')).toEqual([
      {
        actor: spiffeId,
        remote_address: '127.0.0.1',
        outcome: 'ok',
        reason: null,
        token_id: 'abcdefghij',
        node_id: first.id,
        details: { name: 'ci', generation: 2 },
        count: 1,
      },
    ])

    let current: Credentials = { key: next }
    await letTimePass()
    for (let i = 0; i < 3; i++) current = await goOn(current)
    expect(await stored()).toMatchObject([{ id: first.id, generation: 5, locked: false }])
  })

  test('a bot renews again with the same next key when the reply was lost, and that does not count', async () => {
    const first = await joined()
    const next = generateKey()
    const lost = await renew(first, next)
    const { generation, certificate } = await renew(first, next, other)
    expect(generation).toBe(2)
    expect(certificate!.serial).not.toBe(lost.certificate!.serial)
    expect(await stored()).toMatchObject([{ generation: 2, locked: false }])
    await letTimePass()
    expect((await renew({ key: next }, generateKey())).generation).toBe(3)
  })

  test.each([
    ['before it signed', false],
    ['after it signed', true],
  ])('a bot renews once ca-service is back after it failed %s', async (_when, afterwards) => {
    const first = await joined()
    const next = generateKey()
    served.authority.failure = { error: new AppError('unavailable', 'away'), afterwards }
    expect((await refusal(renew(first, next))).kind).toBe('unavailable')
    served.authority.failure = undefined
    expect((await renew(first, next)).generation).toBe(2)
    expect(await stored()).toMatchObject([{ generation: 2, locked: false }])
    // The step is recorded with the change itself, once, even if the signature fails.
    expect(await audits('bot.renew')).toMatchObject([{ outcome: 'ok', details: { generation: 2 } }])
  })

  test('a bot that renews 64 times at once with the same next key, on two replicas, renews once', async () => {
    const first = await joined()
    const next = generateKey()
    const calls = Array.from({ length: 64 }, (_, i) => renew(first, next, [served, other][i % 2]))
    expect(new Set((await Promise.all(calls)).map(({ generation }) => generation))).toEqual(new Set([2]))
    expect(await stored()).toMatchObject([{ generation: 2, locked: false }])
  })
})

describe('copies of the credentials', () => {
  async function expectLocked(call: Promise<unknown>): Promise<void> {
    const error = await refusal(call)
    expect(error).toMatchObject({ kind: 'failedPrecondition', reason: 'BOT_LOCKED' })
    expect(error.message).toContain("'musterctl tokens add --type=bot --bot-name=ci'")
  }

  test.each(['copy', 'original'])(
    'a copy of the credentials is noticed at the second renewal when the %s renews first',
    async (who) => {
      const original = await goOn(await joined())
      const copy = { key: original.key }
      const [first, second] = who === 'copy' ? [copy, original] : [original, copy]
      const ahead = await goOn(first)
      const signed = served.authority.signedBots.length
      await expectLocked(renew(second, generateKey(), other))
      expect(await stored()).toMatchObject([{ generation: 3, locked: true, locked_from: '127.0.0.1' }])
      const [row] = await stored()
      expect(await audits('bot.lock')).toEqual([
        {
          actor: `spiffe://${served.cluster.clusterName}/bot/ci`,
          remote_address: '127.0.0.1',
          outcome: 'refused',
          reason: 'BOT_LOCKED',
          token_id: 'abcdefghij',
          node_id: row!.id,
          details: { name: 'ci', shownGeneration: 2, generation: 3 },
          count: 1,
        },
      ])

      // The holder that succeeded is stopped too: the service cannot tell the copy from the original.
      await expectLocked(renew(ahead, generateKey()))
      await expectLocked(renew(second, generateKey()))
      expect(served.authority.signedBots).toHaveLength(signed)
      expect(await audits('bot.lock')).toHaveLength(1)
      expect((await audits('bot.renew')).filter(({ outcome }) => outcome === 'refused')).toMatchObject([
        { reason: 'BOT_LOCKED', node_id: row!.id, count: 2 },
      ])
    },
  )

  test('a copy of the credentials is noticed however old it is', async () => {
    const first = await joined()
    let current: Credentials = first
    for (let i = 0; i < 4; i++) current = await goOn(current)
    await expectLocked(renew(first, generateKey()))
    expect(await stored()).toMatchObject([{ generation: 5, locked: true }])
  })

  test('a copy of the credentials is noticed when it requests the current key with an old key, which only the key before may do', async () => {
    const first = await joined()
    const current = await goOn(await goOn(first))
    await expectLocked(renew(first, current.key))
  })

  test('a copy of the credentials that has the prepared next key is noticed one renewal later', async () => {
    const original = await joined()
    const prepared = generateKey()
    await renew(original, prepared)
    await renew({ key: original.key }, prepared)
    await letTimePass()
    await renew({ key: prepared }, generateKey())
    await expectLocked(renew({ key: prepared }, generateKey()))
  })

  test('64 renewals with different next keys at once, on two replicas, lock the instance, and at most one succeeds', async () => {
    const { key } = await joined()
    // The test locks the row until every call waits for it.
    const holder = await served.pool.connect()
    await holder.query('begin')
    await holder.query('select from bots for update')
    const pools = [served.pool, other.pool]
    const waiting = 2 * 10 - 1
    const calls = Array.from({ length: 64 }, (_, i) => renew({ key }, generateKey(), [served, other][i % 2]))
    const outcomes = Promise.allSettled(calls)
    await eventually(
      'all waiting that can',
      async () => pools.reduce((sum, p) => sum + p.waitingCount, 0) >= 64 - waiting,
    )
    await holder.query('commit')
    holder.release()
    const settled = await outcomes
    const refusals = settled.filter((outcome) => outcome.status === 'rejected')
    expect(settled.length - refusals.length).toBeLessThanOrEqual(1)
    expect(new Set(refusals.map(({ reason }) => (reason as AppError).reason))).toEqual(new Set(['BOT_LOCKED']))
    expect(await stored()).toMatchObject([{ generation: 2, locked: true }])
    expect(await audits('bot.lock')).toHaveLength(1)
  })

  test("a copy of the credentials that is noticed while the other holder's certificate is being signed withholds that certificate", async () => {
    const original = await joined()
    let isFirst = true
    served.authority.meanwhile = async () => {
      if (isFirst) {
        isFirst = false
        await expectLocked(renew({ key: original.key }, generateKey(), other))
      }
    }
    await expectLocked(renew(original, generateKey()))
    expect(await audits('bot.renew')).toMatchObject([
      { outcome: 'ok', details: { generation: 2 } },
      { outcome: 'refused', reason: 'BOT_LOCKED' },
    ])
  })

  test('a copy of the credentials locks its own instance and no other of the same name', async () => {
    const [one, two] = [await joined(), await joined()]
    await goOn(one)
    await expectLocked(renew(one, generateKey()))
    expect((await renew(two, generateKey())).generation).toBe(2)
    expect((await stored()).filter(({ locked }) => locked).map(({ id }) => id)).toEqual([one.id])
  })
})

describe('refused renewals of a bot', () => {
  test('a bot whose key is not on record, since the database was restored, is refused and not locked', async () => {
    const first = await joined()
    const second = await goOn(await goOn(first))
    // The state of a dump that was made after the join.
    await served.pool.query('delete from bot_keys where generation > 1')
    await served.pool.query('update bots set generation = 1')
    const error = await refusal(renew(second, generateKey()))
    expect(error).toMatchObject({ kind: 'failedPrecondition', reason: 'BOT_UNKNOWN' })
    expect(error.message).toContain("'musterctl tokens add --type=bot --bot-name=ci'")
    expect(await stored()).toMatchObject([{ generation: 1, locked: false }])
    expect((await audits('bot.renew')).at(-1)).toMatchObject({
      outcome: 'refused',
      reason: 'BOT_UNKNOWN',
      node_id: null,
    })
    expect(await audits('bot.lock')).toEqual([])
  })

  test('a bot with the key of a bot of another name is refused', async () => {
    const first = await joined()
    expect(await refusal(renew(first, generateKey(), served, 'cd'))).toMatchObject({ reason: 'BOT_UNKNOWN' })
    expect(await stored()).toMatchObject([{ generation: 1, locked: false }])
  })

  test('a bot whose next key is its current key, or a key of another bot, is refused, and may come again with a new one', async () => {
    const [one, two] = [await joined(), await joined()]
    for (const next of [one.key, two.key]) {
      expect(await refusal(renew(one, next))).toMatchObject({ kind: 'failedPrecondition', reason: 'KEY_USED_BEFORE' })
    }
    expect((await renew(one, generateKey())).generation).toBe(2)
  })

  test('a bot whose last certificate is younger than a twentieth of its life is refused and not locked', async () => {
    const first = await joined()
    const next = generateKey()
    await renew(first, next)
    expect(await refusal(renew({ key: next }, generateKey()))).toMatchObject({
      kind: 'resourceExhausted',
      reason: 'RENEWED_JUST_NOW',
    })
    expect(await stored()).toMatchObject([{ generation: 2, locked: false }])
  })

  test('a bot whose join is not complete is refused', async () => {
    const first = await joined()
    await served.pool.query('update bots set joined_at = null')
    expect(await refusal(renew(first, generateKey()))).toMatchObject({ reason: 'BOT_UNKNOWN' })
  })

  test('a bot without a certificate request is refused before anything is looked up', async () => {
    const { key } = await joined()
    const shown = served.cluster.member({ kind: 'bot', name: 'ci', privateKey: key })
    const call = served
      .connect(shown)
      .client(bots.BotServiceService)
      .renewBot({ csrDer: Buffer.from('junk') })
    expect(await refusal(call)).toMatchObject({ kind: 'invalidArgument', field: 'csr_der' })
  })
})

describe('the keys on record', () => {
  test('the keys on record are fingerprints of the certified keys, one for each generation', async () => {
    const first = await joined()
    const second = await goOn(first)
    const { rows } = await served.pool.query('select key_fingerprint, generation from bot_keys order by generation')
    const fingerprint = ({ key }: Credentials) => keyFingerprint(publicKeyDer(key))
    expect(rows).toEqual([
      { key_fingerprint: fingerprint(first), generation: 1 },
      { key_fingerprint: fingerprint(second), generation: 2 },
    ])
  })
})
