import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { registration, users } from '@muster/contracts'
import { BREAK_GLASS } from '@muster/domain'
import { generateKey } from '@muster/pki'
import type { TestMember } from '@muster/testkit'
import { refusal } from '../../test/support/service.ts'
import { returnRequest, servePeople, type People } from '../../test/support/people.ts'

let people: People
let root: TestMember
let ada: TestMember

beforeAll(async () => {
  people = await servePeople()
})
beforeEach(async () => {
  await people.empty()
  root = await people.add('root')
  ada = await people.add('ada', { roles: ['operator'] })
})
afterAll(() => people.close())

const lock = (name: string, by: TestMember = root, durationSeconds = 0) =>
  people.client(by).lockUser({ name, durationSeconds, reason: 'on leave' })

const list = (member: TestMember) => people.client(member).listUsers({ pageSize: 0, pageToken: '' })

describe('a person who is locked out', () => {
  test('a locked person is shown as locked, and the next call is refused with the reason', async () => {
    await list(ada)
    expect((await lock('ada')).user).toMatchObject({ state: users.UserState.LOCKED, lock: { reason: 'on leave' } })
    expect(await refusal(list(ada))).toMatchObject({
      kind: 'permissionDenied',
      reason: 'USER_LOCKED',
      message: 'an admin has locked you out until the ban is lifted: on leave',
    })
    expect((await list(root)).users.map(({ state }) => state)).toEqual([users.UserState.LOCKED, users.UserState.ACTIVE])
  })

  test('an open stream of a locked person ends within a second', async () => {
    const connection = people.connect(ada)
    const stream = connection.serverStream(
      registration.RegistrationServiceService.watchNodes,
      {},
      new AbortController().signal,
    )
    const read = stream[Symbol.asyncIterator]()
    await read.next()
    const ended = refusal(
      (async () => {
        while (!(await read.next()).done);
      })(),
    )
    await lock('ada')
    expect(await ended).toMatchObject({ reason: 'USER_LOCKED' })
  })

  test('a locked person can neither renew nor come back by the key, nor sign up with a token', async () => {
    await lock('ada')
    expect(await refusal(people.client(ada).renewUser({}))).toMatchObject({ reason: 'USER_LOCKED' })
    const comeBack = people
      .client(people.served.cluster.anonymous())
      .signup(returnRequest(people, 'ada', ada.privateKey))
    expect(await refusal(comeBack)).toMatchObject({ reason: 'USER_LOCKED' })
    const token = await people.invite('bob')
    await lock('bob')
    expect(await refusal(people.signup(token, 'bob'))).toMatchObject({ reason: 'USER_LOCKED' })
    expect(await refusal(people.signup(token, 'eve', ada.privateKey))).toMatchObject({ reason: 'KEY_BANNED' })
  })

  test('a stranger who comes back with another key does not learn that the person is locked', async () => {
    await lock('ada')
    const stranger = returnRequest(people, 'ada', generateKey())
    const comeBack = people.client(people.served.cluster.anonymous()).signup(stranger)
    expect(await refusal(comeBack)).toMatchObject({ reason: 'USER_UNKNOWN' })
  })

  test('an unlocked person may call again, and so may one whose lock has ended', async () => {
    await lock('ada')
    expect((await people.client(root).unlockUser({ name: 'ada' })).user).toMatchObject({ lock: undefined })
    await list(ada)
    await lock('ada', root, 60)
    await people.pool.query(`update users set banned_until = now() where name = 'ada'`)
    await list(ada)
  })

  test('a lock and its end are in the audit', async () => {
    await lock('ada')
    await people.client(root).unlockUser({ name: 'ada' })
    const { rows } = await people.pool.query(
      `select action, outcome, details from audit_events where action like '%lock' order by id`,
    )
    expect(rows).toMatchObject([
      { action: 'user.lock', outcome: 'ok', details: { user: 'ada', why: 'on leave' } },
      { action: 'user.unlock', outcome: 'ok', details: { user: 'ada' } },
    ])
  })
})

describe('locks that are refused', () => {
  test('an admin cannot lock themselves out', async () => {
    await people.add('second')
    expect(await refusal(lock('root'))).toMatchObject({ reason: 'OWN_LOCK' })
  })

  test('the last admin who is not locked out cannot be locked out, not by break-glass either', async () => {
    await people.add('second')
    await lock('second')
    expect(await refusal(lock('root', people.breakGlass))).toMatchObject({ reason: 'LAST_ADMIN' })
  })

  test('a locked admin does not count as an admin when another is removed', async () => {
    await people.add('second')
    await lock('second')
    expect(await refusal(people.client(root).removeUser({ name: 'root' }))).toMatchObject({ reason: 'LAST_ADMIN' })
  })

  test('a break-glass identity may lock a person who has its name', async () => {
    const { cluster } = people.served
    const glass = cluster.member({ kind: 'user', name: 'ada', roles: ['admin', BREAK_GLASS] })
    expect((await lock('ada', glass)).user).toMatchObject({ state: users.UserState.LOCKED })
  })

  test('of 64 calls that lock two admins crosswise, one admin remains', async () => {
    const second = await people.add('second')
    await Promise.allSettled(
      Array.from({ length: 64 }, (_, i) => (i % 2 === 0 ? lock('second', root) : lock('root', second))),
    )
    const { rows } = await people.pool.query(`select name from users where 'admin' = any (roles) and banned_at is null`)
    expect(rows).toHaveLength(1)
  })

  test('an operator cannot lock anyone, and nobody locks or unlocks a name that does not exist', async () => {
    expect(await refusal(lock('root', ada))).toMatchObject({ reason: 'CALLER_NOT_ALLOWED' })
    expect(await refusal(lock('eve'))).toMatchObject({ reason: 'USER_NOT_FOUND' })
    expect(await refusal(people.client(root).unlockUser({ name: 'eve' }))).toMatchObject({ reason: 'USER_NOT_FOUND' })
  })
})
