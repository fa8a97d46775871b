import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { users } from '@muster/contracts'
import { AppError } from '@muster/domain'
import { eventually, type TestMember } from '@muster/testkit'
import { refusal } from '../../test/support/service.ts'
import { servePeople, type People } from '../../test/support/people.ts'
import { selectUser } from './store/people.ts'

const { UserState } = users
let people: People
let root: TestMember

beforeAll(async () => {
  people = await servePeople()
})
beforeEach(async () => {
  await people.empty()
  people.served.tokens.failure = undefined
  root = await people.add('root')
  await people.pool.query('truncate audit_events')
})
afterAll(async () => {
  await people.close()
})

const admin = () => people.client(root)

async function audits() {
  const { rows } = await people.pool.query<Record<string, unknown>>(
    `select action, actor, remote_address, outcome, reason, token_id, details from audit_events order by id`,
  )
  return rows
}

const byRoot = () => ({ actor: root.spiffeId, remote_address: '127.0.0.1', outcome: 'ok', reason: null })

describe('CreateUser', () => {
  test('CreateUser adds a person with a signup token, and records it', async () => {
    const reply = await admin().createUser({
      name: 'ada',
      roles: ['Viewer', 'operator', 'viewer'],
      signupTtlSeconds: 60,
    })
    const made = people.served.tokens.signupTokens.at(-1)!
    expect(reply).toMatchObject({
      signupToken: made.value,
      signupTokenId: made.id,
      user: { name: 'ada', roles: ['operator', 'viewer'], state: UserState.INVITED, createdBy: root.spiffeId },
    })
    expect(made).toMatchObject({ userName: 'ada', ttlSeconds: 60, createdBy: root.spiffeId })
    const details = { user: 'ada', roles: ['operator', 'viewer'] }
    expect(await audits()).toEqual([{ ...byRoot(), action: 'user.create', token_id: made.id, details }])
  })

  test('CreateUser creates no token if none is requested', async () => {
    const before = people.served.tokens.signupTokens.length
    const reply = await admin().createUser({ name: 'ada', roles: ['viewer'], signupTtlSeconds: 0 })
    expect(reply).toMatchObject({ signupToken: '', signupTokenId: '' })
    expect(people.served.tokens.signupTokens).toHaveLength(before)
  })

  test('CreateUser adds one person for 64 calls at once on two replicas, and refuses the others', async () => {
    people.served.tokens.signupTokens.length = 0
    people.served.tokens.revokedSignups.length = 0
    const other = (await people.addReplica())(root)
    const outcomes = await Promise.allSettled(
      Array.from({ length: 64 }, (_, i) =>
        (i % 2 === 0 ? admin() : other).createUser({ name: 'ada', roles: ['viewer'], signupTtlSeconds: 60 }),
      ),
    )
    const made = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
    expect(made).toHaveLength(1)
    const refusals = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as AppError] : []))
    expect(refusals.map(({ kind }) => kind)).toEqual(Array.from({ length: 63 }, () => 'alreadyExists'))
    const { signupTokens, revokedSignups } = people.served.tokens
    const unused = signupTokens.filter(({ userName, id }) => userName === 'ada' && id !== made[0]!.signupTokenId)
    expect(revokedSignups.map(({ tokenId }) => tokenId)).toEqual(expect.arrayContaining(unused.map(({ id }) => id)))
    expect(revokedSignups.map(({ tokenId }) => tokenId)).not.toContain(made[0]!.signupTokenId)
    await people.signup(made[0]!.signupToken, 'ada')
    await people.served.deps.refusals.close()
    const record = await audits()
    expect(record.filter(({ outcome }) => outcome === 'ok').map(({ action }) => action)).toEqual([
      'user.create',
      'user.signup',
    ])
    expect(record.filter(({ outcome }) => outcome === 'refused')).toEqual(
      expect.arrayContaining([expect.objectContaining({ action: 'user.create', reason: 'USER_EXISTS' })]),
    )
  })

  test.each([
    new AppError('unavailable', 'away'),
    new AppError('invalidArgument', 'ttl_seconds: too long', { field: 'ttl_seconds' }),
  ])('CreateUser adds nobody when token-service says "%s"', async (error) => {
    people.served.tokens.failure = { error }
    const request = { name: 'ada', roles: ['viewer'], signupTtlSeconds: 60 }
    expect(await refusal(admin().createUser(request))).toMatchObject({ kind: error.kind })
    expect(await selectUser(people.pool, 'ada')).toBeUndefined()
    expect(await audits()).toEqual([])
    people.served.tokens.failure = undefined
    await people.signup((await admin().createUser(request)).signupToken, 'ada')
  })

  test.each([
    ['name', { name: 'Ada' }],
    ['name', { name: '' }],
    ['roles', { roles: [] }],
    ['roles', { roles: ['node'] }],
    ['roles', { roles: ['admin', 'break-glass'] }],
  ])('CreateUser refuses a bad %s: %j', async (field, overrides) => {
    const request = { name: 'ada', roles: ['viewer'], signupTtlSeconds: 60, ...overrides }
    expect(await refusal(admin().createUser(request))).toMatchObject({ kind: 'invalidArgument', field })
  })
})

describe('ListUsers', () => {
  test('ListUsers lists everyone by name, a page at a time', async () => {
    await people.add('ada', { roles: ['viewer'] })
    await people.invite('bob')
    const first = await admin().listUsers({ pageSize: 2, pageToken: '' })
    expect(first.users.map(({ name, state }) => [name, state])).toEqual([
      ['ada', UserState.ACTIVE],
      ['bob', UserState.INVITED],
    ])
    const second = await admin().listUsers({ pageSize: 2, pageToken: first.nextPageToken })
    expect(second).toMatchObject({ users: [{ name: 'root' }], nextPageToken: '' })
    expect((await admin().listUsers({ pageSize: 3, pageToken: '' })).nextPageToken).toBe('')
  })

  test.each([
    ['page_size', { pageSize: 1001, pageToken: '' }],
    ['page_token', { pageSize: 0, pageToken: 'x' }],
  ])('ListUsers refuses a bad %s', async (field, request) => {
    expect(await refusal(admin().listUsers(request))).toMatchObject({ kind: 'invalidArgument', field })
  })
})

describe('UpdateUser', () => {
  test('UpdateUser changes the roles, and records the old and the new roles once', async () => {
    await people.add('ada', { roles: ['viewer'] })
    await people.pool.query('truncate audit_events')
    const request = { name: 'ada', roles: ['operator'] }
    expect((await admin().updateUser(request)).user).toMatchObject({ name: 'ada', roles: ['operator'] })
    expect((await admin().updateUser(request)).user).toMatchObject({ roles: ['operator'] })
    const details = { user: 'ada', from: ['viewer'], to: ['operator'] }
    expect(await audits()).toEqual([{ ...byRoot(), action: 'user.update', token_id: null, details }])
  })

  test('UpdateUser does not find a person of another name', async () => {
    const answer = admin().updateUser({ name: 'nobody', roles: ['viewer'] })
    expect(await refusal(answer)).toMatchObject({ kind: 'notFound', field: 'name' })
  })
})

describe('ResetUser', () => {
  test('ResetUser ends the old identity and its token, and creates a token to sign up again', async () => {
    const invitation = await people.invite('ada')
    const ada = await people.add('bob', { roles: ['viewer'] })
    await people.pool.query('truncate audit_events')
    const reply = await admin().resetUser({ name: 'bob', signupTtlSeconds: 60 })
    expect(reply.user).toMatchObject({ name: 'bob', roles: ['viewer'], state: UserState.INVITED })
    expect(await audits()).toEqual([
      { ...byRoot(), action: 'user.reset', token_id: reply.signupTokenId, details: { user: 'bob' } },
    ])
    const answer = people.client(ada).listUsers({ pageSize: 0, pageToken: '' })
    expect(await refusal(answer)).toMatchObject({ reason: 'USER_UNKNOWN' })
    await people.signup(reply.signupToken, 'bob')

    const newer = await admin().resetUser({ name: 'ada', signupTtlSeconds: 60 })
    expect(await refusal(people.signup(invitation, 'ada'))).toMatchObject({ reason: 'TOKEN_REVOKED' })
    await people.signup(newer.signupToken, 'ada')
  })

  test('ResetUser leaves one token that works for 64 at once on two replicas, and revokes the others', async () => {
    await people.add('ada', { roles: ['viewer'] })
    const other = (await people.addReplica())(root)
    const { signupTokens, revokedSignups } = people.served.tokens
    signupTokens.length = 0
    revokedSignups.length = 0
    const replies = await Promise.all(
      Array.from({ length: 64 }, (_, i) =>
        (i % 2 === 0 ? admin() : other).resetUser({ name: 'ada', signupTtlSeconds: 60 }),
      ),
    )
    expect(signupTokens).toHaveLength(64)
    const revoked = new Set(revokedSignups.map(({ tokenId }) => tokenId))
    const left = replies.filter(({ signupTokenId }) => !revoked.has(signupTokenId))
    expect(left).toHaveLength(1)
    const replaced = replies.find(({ signupTokenId }) => revoked.has(signupTokenId))!
    expect(await refusal(people.signup(replaced.signupToken, 'ada'))).toMatchObject({ reason: 'TOKEN_REVOKED' })
    await people.signup(left[0]!.signupToken, 'ada')
  })

  test('ResetUser revokes the token that it created when the person is removed meanwhile', async () => {
    await people.add('ada', { roles: ['viewer'] })
    const { tokens } = people.served
    tokens.beforeSignupToken = async () => {
      await admin().removeUser({ name: 'ada' })
    }
    try {
      const answer = admin().resetUser({ name: 'ada', signupTtlSeconds: 60 })
      expect(await refusal(answer)).toMatchObject({ kind: 'notFound' })
    } finally {
      tokens.beforeSignupToken = undefined
    }
    expect(tokens.revokedSignups.at(-1)).toMatchObject({ tokenId: tokens.signupTokens.at(-1)!.id })
  })

  test('ResetUser creates no token for a person who is not there, and none for the last admin', async () => {
    const before = people.served.tokens.signupTokens.length
    for (const name of ['nobody', 'root']) await refusal(admin().resetUser({ name, signupTtlSeconds: 60 }))
    expect(people.served.tokens.signupTokens).toHaveLength(before)
  })

  test('ResetUser changes nothing while token-service does not answer', async () => {
    const ada = await people.add('ada', { roles: ['viewer'] })
    people.served.tokens.failure = { error: new AppError('unavailable', 'away') }
    const answer = admin().resetUser({ name: 'ada', signupTtlSeconds: 60 })
    expect(await refusal(answer)).toMatchObject({ kind: 'unavailable' })
    await people.client(ada).listUsers({ pageSize: 0, pageToken: '' })
  })

  test('ResetUser refuses to reset the last admin, unless break-glass calls', async () => {
    const reset = { name: 'root', signupTtlSeconds: 60 }
    expect(await refusal(admin().resetUser(reset))).toMatchObject({ reason: 'LAST_ADMIN' })
    expect((await people.client(people.breakGlass).resetUser(reset)).user).toMatchObject({ state: UserState.INVITED })
  })

  test('ResetUser leaves one of two admins when 64 calls reset each other at once', async () => {
    const ada = await people.add('ada')
    const outcomes = await Promise.allSettled(
      Array.from({ length: 64 }, (_, i) =>
        i % 2 === 0
          ? admin().resetUser({ name: 'ada', signupTtlSeconds: 60 })
          : people.client(ada).resetUser({ name: 'root', signupTtlSeconds: 60 }),
      ),
    )
    expect(outcomes.some(({ status }) => status === 'fulfilled')).toBe(true)
    const { rows } = await people.pool.query(`select from users where key_fingerprint is not null`)
    expect(rows).toHaveLength(1)
  })

  test('ResetUser refuses a token without a lifetime, and a person who is not there', async () => {
    expect(await refusal(admin().resetUser({ name: 'root', signupTtlSeconds: 0 }))).toMatchObject({
      kind: 'invalidArgument',
      field: 'signup_ttl_seconds',
    })
    expect(await refusal(admin().resetUser({ name: 'nobody', signupTtlSeconds: 60 }))).toMatchObject({
      kind: 'notFound',
    })
  })
})

describe('RemoveUser', () => {
  test('RemoveUser removes the person, ends their signup tokens, and is recorded', async () => {
    await people.invite('ada')
    await people.pool.query('truncate audit_events')
    expect((await admin().removeUser({ name: 'ada' })).user).toMatchObject({ name: 'ada', roles: ['viewer'] })
    expect(people.served.tokens.revokedSignups.at(-1)).toEqual({
      userName: 'ada',
      revokedBy: root.spiffeId,
      tokenId: '',
    })
    const details = { user: 'ada', roles: ['viewer'] }
    expect(await audits()).toEqual([{ ...byRoot(), action: 'user.remove', token_id: null, details }])
    expect(await refusal(admin().removeUser({ name: 'ada' }))).toMatchObject({ kind: 'notFound' })
  })

  test('RemoveUser does not wait for token-service', async () => {
    await people.invite('ada')
    people.served.tokens.failure = { error: new AppError('unavailable', 'away') }
    await admin().removeUser({ name: 'ada' })
    expect(await selectUser(people.pool, 'ada')).toBeUndefined()
  })
})

describe('the last admin', () => {
  test('the last admin is neither removed nor demoted, and the attempt is recorded', async () => {
    await people.add('ada', { roles: ['operator'] })
    await people.pool.query('truncate audit_events')
    const removal = await refusal(admin().removeUser({ name: 'root' }))
    expect(removal).toMatchObject({ kind: 'failedPrecondition', reason: 'LAST_ADMIN' })
    expect(removal.message).toContain('make another user an admin first')
    const demotion = people.client(people.breakGlass).updateUser({ name: 'root', roles: ['viewer'] })
    expect(await refusal(demotion)).toMatchObject({ reason: 'LAST_ADMIN' })
    expect(await audits()).toMatchObject([
      { action: 'user.remove', actor: root.spiffeId, outcome: 'refused', reason: 'LAST_ADMIN' },
      { action: 'user.update', actor: people.breakGlass.spiffeId, outcome: 'refused', details: { user: 'root' } },
    ])
    await admin().updateUser({ name: 'root', roles: ['admin', 'viewer'] })
  })

  test('the last admin stays when two admins remove each other by 64 calls at once on two replicas', async () => {
    const bob = await people.add('bob')
    const calls = [admin(), (await people.addReplica())(bob)] as const
    // The test locks the two rows until the calls of both admins have read the roll and wait.
    const [holder, observer] = [await people.pool.connect(), await people.pool.connect()]
    await holder.query('begin')
    await holder.query('select from users for update')
    const removals = Promise.allSettled(
      Array.from({ length: 64 }, (_, i) => calls[i % 2]!.removeUser({ name: i % 2 === 0 ? 'bob' : 'root' })),
    )
    try {
      await eventually('more calls that wait than one replica has connections', async () => {
        const { rowCount } = await observer.query(
          `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        )
        return rowCount! > people.pool.options.max
      })
    } finally {
      await holder.query('rollback')
      for (const client of [holder, observer]) client.release()
    }
    expect((await removals).filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const { rows } = await people.pool.query(`select name from users where 'admin' = any (roles)`)
    expect(rows).toHaveLength(1)
  })

  test('the last admin stays when 64 admins are removed and demoted at once on two replicas', async () => {
    const names = Array.from({ length: 63 }, (_, i) => `admin-${i}`)
    await Promise.all(names.map((name) => people.add(name)))
    const replicas = [people.client, await people.addReplica()].map((client) => client(people.breakGlass))
    const outcomes = await Promise.allSettled(
      ['root', ...names].map(async (name, i) => {
        const client = replicas[i % 2]!
        if (i % 3 === 0) await client.updateUser({ name, roles: ['viewer'] })
        else await client.removeUser({ name })
      }),
    )
    const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as AppError] : []))
    expect(refused).toMatchObject([{ reason: 'LAST_ADMIN' }])
    const { rows } = await people.pool.query(`select name from users where 'admin' = any (roles)`)
    expect(rows).toHaveLength(1)
  })
})
