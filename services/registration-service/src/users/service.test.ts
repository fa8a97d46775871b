import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { registration } from '@muster/contracts'
import { SERVICE_NAMES } from '@muster/domain'
import { keyFingerprint } from '@muster/pki'
import { eventually, everyKindOfPeer, type TestMaterial, type TestMember } from '@muster/testkit'
import { accessOfEach } from '@muster/testkit/rpc'
import { ADDRESSES, refusal } from '../../test/support/service.ts'
import { contract, servePeople, type People } from '../../test/support/people.ts'

let people: People

beforeAll(async () => {
  people = await servePeople()
})
beforeEach(async () => {
  await people.empty()
})
afterAll(async () => {
  await people.close()
})

describe('callers of the RPCs for people', () => {
  const everyone = ['anonymous', 'node', 'bot', ...SERVICE_NAMES, 'viewer', 'operator', 'admin', 'break-glass']
  const admins = ['admin', 'break-glass']
  const ALLOWED: Record<string, string[]> = {
    createUser: admins,
    listUsers: ['viewer', 'operator', ...admins],
    updateUser: admins,
    resetUser: admins,
    removeUser: admins,
    lockUser: admins,
    unlockUser: admins,
    signup: everyone,
    renewUser: ['viewer', 'operator', ...admins],
    checkOperator: ['token-service', 'ca-service'],
  }

  test('callers are defined for every RPC of the contract', () => {
    expect(Object.keys(ALLOWED).sort()).toEqual(Object.keys(contract).sort())
    for (const { path } of Object.values(contract)) expect(people.server.callers.has(path)).toBe(true)
  })

  test.each(Object.entries(contract))('%s admits the callers in the table and no others', async (rpc, method) => {
    const callers: Record<string, TestMaterial> = {
      ...everyKindOfPeer(people.served.cluster),
      viewer: await people.add('v', { roles: ['viewer'] }),
      operator: await people.add('o', { roles: ['operator'] }),
      admin: await people.add('a', { roles: ['admin'] }),
      'break-glass': people.breakGlass,
    }
    const { found, expected } = await accessOfEach(callers, ALLOWED[rpc]!, people.connect, method)
    expect(found).toEqual(expected)
  })
})

/** The answer to a person who only reads. */
async function look(member: TestMaterial): Promise<string> {
  const answer = people.client(member).listUsers({ pageSize: 0, pageToken: '' })
  return answer.then(
    () => 'let in',
    async () => (await refusal(answer)).reason ?? 'refused',
  )
}

function check({ name, publicKeyDer }: Pick<TestMember, 'name' | 'publicKeyDer'>) {
  const client = people.client(people.served.cluster.service('token-service'))
  return client.checkOperator({ name, keyFingerprint: keyFingerprint(publicKeyDer) })
}

describe('a person who calls', () => {
  test('a person who calls must be on the roll with that key: a certificate alone is not enough', async () => {
    const stranger = people.served.cluster.user('eve', 'admin')
    expect(await look(stranger)).toBe('USER_UNKNOWN')
    const ada = await people.add('ada')
    expect(await look(ada)).toBe('let in')
    expect(await look(people.served.cluster.user('ada', 'admin'))).toBe('USER_UNKNOWN')
  })

  test('a person who is no longer on the roll is told what to do', async () => {
    const error = await refusal(
      people.client(people.served.cluster.user('eve', 'admin')).listUsers({ pageSize: 0, pageToken: '' }),
    )
    expect(error).toMatchObject({ kind: 'unauthenticated', reason: 'USER_UNKNOWN' })
    expect(error.message).toContain("'musterctl users reset eve'")
  })

  test('a removed person is refused at once, and stays out when the name is added again', async () => {
    await people.add('root')
    const ada = await people.add('ada')
    const admin = people.client(people.breakGlass)
    expect((await check(ada)).roles).toEqual(['admin'])
    await admin.removeUser({ name: 'ada' })
    expect(await look(ada)).toBe('USER_UNKNOWN')
    expect(await refusal(check(ada))).toMatchObject({ kind: 'unauthenticated', reason: 'USER_UNKNOWN' })

    const { signupToken } = await admin.createUser({ name: 'ada', roles: ['admin'], signupTtlSeconds: 60 })
    expect(await look(ada)).toBe('USER_UNKNOWN')
    await people.signup(signupToken, 'ada')
    expect(await look(ada)).toBe('USER_UNKNOWN')
    expect(await refusal(check(ada))).toMatchObject({ reason: 'USER_UNKNOWN' })
  })

  test('a removed person is refused on a stream that is open', async () => {
    await people.add('root')
    const ada = await people.add('ada', { roles: ['viewer'] })
    const method = registration.RegistrationServiceService.watchNodes
    const watch = people.connect(ada).serverStream(method, {}, new AbortController().signal)
    let events = 0
    const ended = refusal(
      (async () => {
        for await (const { event } of watch) if (event !== undefined) events += 1
      })(),
    )
    await eventually('the watch to have begun', () => events > 0)
    await people.client(people.breakGlass).removeUser({ name: 'ada' })
    expect(await ended).toMatchObject({ kind: 'unauthenticated', reason: 'USER_UNKNOWN' })
  })

  test('a person who calls has the roles in both certificate and roll: a removed role ends at once, an added one does not count yet', async () => {
    await people.add('root')
    const bob = await people.add('bob', { roles: ['operator'] })
    const admin = people.client(people.breakGlass)
    const { renewUser, removeUser } = people.client(bob)

    await admin.updateUser({ name: 'bob', roles: ['admin'] })
    expect(await refusal(removeUser({ name: 'nobody' }))).toMatchObject({ reason: 'CALLER_NOT_ALLOWED' })
    expect((await check(bob)).roles).toEqual(['admin'])

    const ada = await people.add('ada', { roles: ['admin'] })
    const asAda = people.client(ada)
    expect(await refusal(asAda.removeUser({ name: 'nobody' }))).toMatchObject({ kind: 'notFound' })
    await admin.updateUser({ name: 'ada', roles: ['viewer'] })
    expect(await refusal(asAda.removeUser({ name: 'nobody' }))).toMatchObject({ reason: 'CALLER_NOT_ALLOWED' })
    expect(await look(ada)).toBe('let in')
    await renewUser({})
    expect(people.served.authority.signedUsers.at(-1)!.request).toMatchObject({ name: 'bob', roles: ['admin'] })
  })

  test('a person who calls is refused when the session ends', async () => {
    const ada = await people.add('ada')
    expect(await look(ada)).toBe('let in')
    await people.pool.query(`update users set session_expires_at = now()`)
    expect(await look(ada)).toBe('USER_UNKNOWN')
    expect(await refusal(people.client(ada).renewUser({}))).toMatchObject({ reason: 'USER_UNKNOWN' })
  })

  test('a person with a break-glass identity needs no row, and has no session to renew', async () => {
    expect(await look(people.breakGlass)).toBe('let in')
    expect(await refusal(people.client(people.breakGlass).renewUser({}))).toMatchObject({
      kind: 'failedPrecondition',
      reason: 'NO_SESSION',
    })
    const { rows } = await people.pool.query(`select action, outcome, reason, details from audit_events`)
    expect(rows).toEqual([
      { action: 'user.renew', outcome: 'refused', reason: 'NO_SESSION', details: { user: people.breakGlass.name } },
    ])
  })
})

describe('CheckOperator', () => {
  test.each([
    ['name', { name: '../ada', keyFingerprint: Buffer.alloc(32) }],
    ['key_fingerprint', { name: 'ada', keyFingerprint: Buffer.alloc(31) }],
  ])('CheckOperator refuses a bad %s', async (field, request) => {
    const client = people.client(people.served.cluster.service('ca-service'))
    expect(await refusal(client.checkOperator(request))).toMatchObject({ kind: 'invalidArgument', field })
  })
})

describe('RenewUser', () => {
  test('RenewUser gives the person another certificate for the key of the connection, and is recorded', async () => {
    const ada = await people.add('ada', { roles: ['operator'] })
    const before = Date.now()
    const reply = await people.client(ada).renewUser({})
    expect(people.served.authority.signedUsers.at(-1)!.request).toEqual({
      name: 'ada',
      roles: ['operator'],
      publicKeyDer: ada.publicKeyDer,
      sessionExpiresAt: reply.sessionExpiresAt,
    })
    expect(reply.sessionExpiresAt!.getTime()).toBeGreaterThan(before)
    expect(reply).toMatchObject({
      addresses: ADDRESSES,
      trustBundle: people.served.authority.trustBundle,
    })
    const { rows } = await people.pool.query(
      `select actor, outcome, token_id, details from audit_events where action = 'user.renew'`,
    )
    const details = { user: 'ada', roles: ['operator'], serial: reply.certificate!.serial }
    expect(rows).toEqual([{ actor: ada.spiffeId, outcome: 'ok', token_id: null, details }])
  })

  test('RenewUser beyond its rate is refused with the time to wait, issues nothing, and is recorded', async () => {
    const ada = await people.add('ada')
    const signed = people.served.authority.signedUsers.length
    await people.pool.query(`update users set renewals_paid_until = now() + interval '1 hour'`)
    expect(await refusal(people.client(ada).renewUser({}))).toMatchObject({
      kind: 'resourceExhausted',
      reason: 'RENEWED_JUST_NOW',
      retryAfterMs: 10_000,
    })
    expect(people.served.authority.signedUsers).toHaveLength(signed)
    const { rows } = await people.pool.query(`select outcome, reason from audit_events where action = 'user.renew'`)
    expect(rows).toEqual([{ outcome: 'refused', reason: 'RENEWED_JUST_NOW' }])
  })

  test('RenewUser asks for no certificate past the end of the session', async () => {
    const ada = await people.add('ada', { sessionTtlSeconds: 60 })
    const { certificate, sessionExpiresAt } = await people.client(ada).renewUser({})
    expect(certificate!.expiresAt).toEqual(sessionExpiresAt)
    expect(sessionExpiresAt!.getTime()).toBeLessThan(Date.now() + 61_000)
  })

  test('RenewUser returns no certificate to a person who was removed while it was signed', async () => {
    const ada = await people.add('ada', { roles: ['viewer'] })
    people.served.authority.meanwhile = async () => people.pool.query(`delete from users where name = 'ada'`)
    try {
      expect(await refusal(people.client(ada).renewUser({}))).toMatchObject({ reason: 'USER_UNKNOWN' })
    } finally {
      people.served.authority.meanwhile = undefined
    }
  })
})
