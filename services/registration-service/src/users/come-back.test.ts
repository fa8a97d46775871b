import type { KeyObject } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { users } from '@muster/contracts'
import { BREAK_GLASS, type OperatorRole } from '@muster/domain'
import { generateKey, parseIdentity, publicKeyDer, verifyChain } from '@muster/pki'
import { testCluster } from '@muster/testkit'
import { ADDRESSES, refusal } from '../../test/support/service.ts'
import { returnRequest, servePeople, type People } from '../../test/support/people.ts'
import { selectUser } from './store/people.ts'

const LIMIT = 5
let people: People
let key: KeyObject

beforeAll(async () => {
  people = await servePeople({ refusedPerMinute: LIMIT })
})
beforeEach(async () => {
  await people.empty()
  await people.served.forgetRefusals()
  people.served.authority.signedUsers.length = 0
  people.served.authority.meanwhile = undefined
  key = generateKey()
})
afterAll(async () => {
  await people.close()
})

const comeBack = (name: string, privateKey: KeyObject, former: Parameters<typeof returnRequest>[3] = {}) =>
  people.client(people.served.cluster.anonymous()).signup(returnRequest(people, name, privateKey, former))
const spiffeIdOf = (name: string) => `spiffe://${people.served.cluster.clusterName}/user/${name}`

/** A person who signed up with the key, and whose certificate has expired. */
async function asleep(name = 'ada', roles: OperatorRole[] = ['viewer']): Promise<void> {
  await people.signup(await people.invite(name, roles), name, key)
  await people.pool.query(`update users set certificate_expires_at = now() - interval '1 day' where name = $1`, [name])
  await people.pool.query('truncate audit_events')
}

async function audits() {
  await people.served.deps.refusals.close()
  const { rows } = await people.pool.query<Record<string, unknown>>(
    `select action, actor, remote_address, outcome, reason, token_id, count, details from audit_events order by id`,
  )
  return rows
}

describe('people whose certificate has expired', () => {
  test('a person whose certificate has expired gets another for the key that they signed up with, in the same session', async () => {
    await asleep()
    const before = await selectUser(people.pool, 'ada')
    const reply = await comeBack('ada', key)
    const [leafDer, ...intermediatesDer] = reply.certificate!.chainDer as [Buffer, Buffer]
    expect(verifyChain({ leafDer, intermediatesDer, rootsDer: reply.trustBundle!.userRootsDer })).toBe(true)
    expect(parseIdentity(leafDer)).toMatchObject({ spiffeId: spiffeIdOf('ada'), publicKeyDer: publicKeyDer(key) })
    expect(reply).toMatchObject({
      sessionExpiresAt: before!.sessionExpiresAt,
      addresses: ADDRESSES,
    })
    expect(await selectUser(people.pool, 'ada')).toEqual({
      ...before,
      certificateExpiresAt: reply.certificate!.expiresAt,
      lastSeenAt: expect.any(Date),
    })
  })

  test('a person who comes back is recorded under their own name, as one who returned, and spends no token', async () => {
    await asleep()
    people.served.tokens.spends.length = 0
    const { certificate } = await comeBack('ada', key)
    expect(await audits()).toEqual([
      {
        action: 'user.renew',
        actor: spiffeIdOf('ada'),
        remote_address: '127.0.0.1',
        outcome: 'ok',
        reason: null,
        token_id: null,
        count: 1,
        details: { user: 'ada', roles: ['viewer'], serial: certificate!.serial, returned: true },
      },
    ])
    expect(people.served.tokens.spends).toEqual([])
  })

  test('a person who comes back has the current roles, and no certificate past the end of the session', async () => {
    await asleep('ada', ['admin'])
    await people.pool.query(
      `update users set roles = '{viewer}', session_expires_at = date_trunc('milliseconds', now()) + interval '1 minute'`,
    )
    const { certificate, sessionExpiresAt } = await comeBack('ada', key)
    expect(parseIdentity(certificate!.chainDer[0]!).roles).toEqual(['viewer'])
    expect(certificate!.expiresAt).toEqual(sessionExpiresAt)
    expect(sessionExpiresAt!.getTime()).toBeLessThan(Date.now() + 61_000)
  })

  test('a person who comes back gets in from a source over its limit of refusals, since nobody can guess a key', async () => {
    await asleep()
    for (let i = 0; i <= LIMIT; i++) await refusal(comeBack('eve', key))
    expect(await refusal(comeBack('eve', key))).toMatchObject({ reason: 'TOO_MANY_REFUSED' })
    for (let i = 0; i < LIMIT; i++) expect((await comeBack('ada', key)).certificate).toBeDefined()
  })

  test('a repeated request of a person who came back certifies only the key of that person, which is useless to others', async () => {
    await asleep()
    const request = returnRequest(people, 'ada', key)
    const eve = people.client(people.served.cluster.anonymous())
    const replies = [await eve.signup(request), await eve.signup(request)]
    for (const { certificate } of replies) {
      expect(parseIdentity(certificate!.chainDer[0]!).publicKeyDer).toEqual(publicKeyDer(key))
    }
  })
})

describe('people who come back and are refused', () => {
  const theirs = (former: Parameters<typeof returnRequest>[3]) => returnRequest(people, 'ada', key, former)
  const refused: [string, () => Promise<unknown>, () => KeyObject][] = [
    ['has another key', async () => asleep(), generateKey],
    ['has a name that nobody has', async () => {}, () => key],
    ['was only invited', async () => people.invite('ada'), () => key],
    [
      'was reset',
      async () => {
        await asleep()
        await people.client(people.breakGlass).resetUser({ name: 'ada', signupTtlSeconds: 60 })
      },
      () => key,
    ],
    [
      'was removed',
      async () => {
        await asleep()
        await people.client(people.breakGlass).removeUser({ name: 'ada' })
      },
      () => key,
    ],
    [
      'was removed and is in again with another key',
      async () => {
        await asleep()
        await people.client(people.breakGlass).removeUser({ name: 'ada' })
        await people.signup(await people.invite('ada'), 'ada', generateKey())
      },
      () => key,
    ],
    [
      'is past the end of the session',
      async () => {
        await asleep()
        await people.pool.query(`update users set session_expires_at = now()`)
      },
      () => key,
    ],
    [
      'was removed while the certificate was signed',
      async () => {
        await asleep()
        people.served.authority.meanwhile = async () => people.pool.query(`delete from users`)
      },
      () => key,
    ],
  ]

  test.each(refused)(
    'a person who comes back and %s is refused, learns nothing else, and is recorded once',
    async (_why, arrange, shown) => {
      await arrange()
      await people.pool.query('truncate audit_events')
      const error = await refusal(comeBack('ada', shown()))
      expect(error).toMatchObject({ kind: 'unauthenticated', reason: 'USER_UNKNOWN', field: undefined })
      expect(error.message).toBe(
        "you are no longer a user of this cluster, or you signed up again elsewhere; ask an admin for 'musterctl users reset ada', or for 'musterctl users add ada' if you were removed",
      )
      expect(await audits()).toEqual([
        {
          action: 'user.renew',
          actor: 'anonymous',
          remote_address: '127.0.0.1',
          outcome: 'refused',
          reason: 'USER_UNKNOWN',
          token_id: null,
          count: 1,
          details: { user: 'ada', returned: true },
        },
      ])
    },
  )

  test.each<[string, (request: users.SignupRequest) => users.SignupRequest]>([
    ['no former certificate', (request) => ({ ...request, formerChainDer: [] })],
    ['bytes that are none', (request) => ({ ...request, formerChainDer: [Buffer.from('junk')] })],
    ['one without its issuing CA', (request) => ({ ...request, formerChainDer: request.formerChainDer.slice(0, 1) })],
    ['one of another person', () => theirs({ name: 'eve' })],
    ['one of a node', () => theirs({ kind: 'node' })],
    ['one of break-glass', () => theirs({ roles: ['admin', BREAK_GLASS] })],
    ['one for another key', () => theirs({ privateKey: generateKey() })],
    ['one of another cluster', () => theirs({ signedBy: testCluster().authorities.user.issuing })],
    ['one by the wrong authority', () => theirs({ signedBy: people.served.cluster.authorities.host.issuing })],
  ])(
    'a person who comes back with %s is refused, though the roll has the key: write access to the database is not enough',
    async (_what, change) => {
      await asleep()
      const request = change(returnRequest(people, 'ada', key))
      const answer = people.client(people.served.cluster.anonymous()).signup({ ...request, userName: 'ada' })
      expect(await refusal(answer)).toMatchObject({ kind: 'unauthenticated', reason: 'USER_UNKNOWN' })
      expect(people.served.authority.signedUsers).toHaveLength(1)
    },
  )

  test('a refused return is counted for the source, like any other attempt', async () => {
    await asleep()
    const stranger = generateKey()
    for (let i = 0; i < LIMIT; i++) {
      expect(await refusal(comeBack('ada', stranger))).toMatchObject({ reason: 'USER_UNKNOWN' })
    }
    expect(await refusal(comeBack('ada', stranger))).toMatchObject({
      kind: 'resourceExhausted',
      reason: 'TOO_MANY_REFUSED',
    })
    expect(await audits()).toMatchObject([{ reason: 'USER_UNKNOWN', count: LIMIT + 1 }])
    // That of the signup.
    expect(people.served.authority.signedUsers).toHaveLength(1)
  })

  test.each([
    ['user_name', { userName: '../ada' }, 'INVALID_FIELD'],
    ['csr_der', { csrDer: Buffer.from('junk') }, 'CSR_MALFORMED'],
  ])('a person who comes back with a bad %s is told so', async (field, overrides, reason) => {
    const client = people.client(people.served.cluster.anonymous())
    const answer = client.signup({ ...returnRequest(people, 'ada', key), ...overrides })
    expect(await refusal(answer)).toMatchObject({ kind: 'invalidArgument', field, reason })
    expect(await audits()).toMatchObject([{ action: 'user.renew', outcome: 'refused', reason }])
  })

  test('a person who comes back with the right key but a signature by another key has proved nothing', async () => {
    await asleep()
    const request = returnRequest(people, 'ada', key)
    const forged = Buffer.from(request.csrDer)
    forged[forged.length - 1]! ^= 1
    const client = people.client(people.served.cluster.anonymous())
    const answer = client.signup({ ...request, csrDer: forged })
    expect(await refusal(answer)).toMatchObject({ kind: 'invalidArgument', reason: 'CSR_BAD_SIGNATURE' })
    expect(people.served.authority.signedUsers).toHaveLength(1)
  })
})

describe('64 callers who come back at once on two replicas', () => {
  let limited: People
  // Half of them are refused, and here that must not slow down the others.
  beforeAll(async () => {
    limited = people
    people = await servePeople({ refusedPerMinute: 1_000 })
  })
  afterAll(async () => {
    await people.close()
    people = limited
  })

  const outcomesOf = async (keyOf: (i: number) => KeyObject) => {
    const anonymous = people.served.cluster.anonymous()
    const replicas = [people.client(anonymous), (await people.addReplica())(anonymous)]
    return Promise.allSettled(
      Array.from({ length: 64 }, (_, i) => replicas[i % 2]!.signup(returnRequest(people, 'ada', keyOf(i)))),
    )
  }

  test('64 callers who come back at once on two replicas get certificates of one session with the right key, and none with another', async () => {
    await asleep()
    const session = (await selectUser(people.pool, 'ada'))!.sessionExpiresAt
    const outcomes = await outcomesOf((i) => (i % 4 < 2 ? key : generateKey()))
    const granted = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
    expect(outcomes.map(({ status }) => status === 'fulfilled')).toEqual(outcomes.map((_, i) => i % 4 < 2))
    for (const { certificate, sessionExpiresAt } of granted) {
      expect(sessionExpiresAt).toEqual(session)
      expect(parseIdentity(certificate!.chainDer[0]!).publicKeyDer).toEqual(publicKeyDer(key))
    }
    const { rows } = await people.pool.query<{ certificate_serial: string }>(`select certificate_serial from users`)
    const serials = granted.map(({ certificate }) => certificate!.serial)
    expect(serials).toContain(rows[0]!.certificate_serial)
    const onRecord = (await audits()).filter(({ outcome }) => outcome === 'ok')
    expect(onRecord.map(({ details }) => (details as { serial: string }).serial).sort()).toEqual(serials.sort())
  })

  test('64 callers who come back while the person is removed are admitted before it or not at all', async () => {
    await asleep()
    let signed = 0
    people.served.authority.meanwhile = async () => {
      signed += 1
      if (signed === 32) await people.pool.query(`delete from users where name = 'ada'`)
    }
    const outcomes = await outcomesOf(() => key)
    const granted = outcomes.filter(({ status }) => status === 'fulfilled')
    const reasons = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason.reason] : []))
    for (const reason of reasons) expect(['USER_UNKNOWN', 'TOO_MANY_REFUSED']).toContain(reason)
    expect(granted.length).toBeLessThan(64)
    expect((await audits()).filter(({ outcome }) => outcome === 'ok')).toHaveLength(granted.length)
    expect(await selectUser(people.pool, 'ada')).toBeUndefined()
  })
})
