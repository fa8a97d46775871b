import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { OperatorRole } from '@muster/domain'
import type pg from 'pg'
import { randomBytes } from 'node:crypto'
import { granted, openStore, refusal, type Store } from '../../../test/support/service.ts'
import { deleteUser, updateRoles } from './admins.ts'
import { noteFirstCertificate, recordUserRenewal } from './certificates.ts'
import { bindKey, resetIdentity } from './identities.ts'
import { insertUser, selectUser, selectUsers } from './people.ts'
import { chargeRenewal, RENEWALS_AT_ONCE, selectCurrentRoles, selectSession } from './sessions.ts'

let store: Store
let pool: pg.Pool
beforeAll(async () => {
  store = await openStore()
  pool = store.pool
})
beforeEach(async () => {
  await pool.query('truncate users, audit_events')
})
afterAll(async () => {
  await store.close()
})

const key = () => randomBytes(32)
const inAnHour = () => new Date(Date.now() + 3_600_000)

async function enter(name: string, roles: OperatorRole[] = ['viewer']): Promise<void> {
  await insertUser(pool, { name, roles, createdBy: 'spiffe://c/user/root', signupTokenId: `t-${name}` })
}

function bind(name: string, keyFingerprint: Buffer, { tokenId = `t-${name}`, sessionTtlSeconds = 600 } = {}) {
  return bindKey(pool, { name, keyFingerprint, tokenId, sessionTtlSeconds, remoteAddress: '10.0.0.1' })
}

/** Adds a person who has signed up. @returns the key */
async function active(name: string, roles: OperatorRole[] = ['viewer'], expiresAt = inAnHour()): Promise<Buffer> {
  const keyFingerprint = key()
  await enter(name, roles)
  await bind(name, keyFingerprint)
  await note(name, keyFingerprint, expiresAt)
  return keyFingerprint
}

function note(name: string, keyFingerprint: Buffer, expiresAt = inAnHour()): Promise<boolean> {
  return noteFirstCertificate(pool, { name, keyFingerprint, ...granted('ab'.repeat(16), expiresAt) })
}

/** The people who signed up, by the audit. */
async function signups(): Promise<unknown[]> {
  return (await pool.query(`select token_id, details from audit_events where action = 'user.signup'`)).rows
}

describe('a person', () => {
  test('a person is invited, then active, whatever the certificate, then expired when the session is over', async () => {
    await enter('ada')
    expect(await selectUser(pool, 'ada')).toMatchObject({ state: 'invited', signedUpAt: undefined })
    const keyFingerprint = key()
    await bind('ada', keyFingerprint)
    expect(await selectUser(pool, 'ada')).toMatchObject({ state: 'invited', signedUpAt: expect.any(Date) })
    await note('ada', keyFingerprint)
    expect(await selectUser(pool, 'ada')).toMatchObject({ state: 'active', sessionExpiresAt: expect.any(Date) })
    await pool.query(`update users set certificate_expires_at = now()`)
    expect(await selectUser(pool, 'ada')).toMatchObject({ state: 'active' })
    await pool.query(`update users set certificate_expires_at = now() + interval '1 hour', session_expires_at = now()`)
    expect(await selectUser(pool, 'ada')).toMatchObject({ state: 'expired' })
    await resetIdentity(pool, 'ada', 'newer')
    expect(await selectUser(pool, 'ada')).toMatchObject({
      state: 'invited',
      signedUpAt: undefined,
      sessionExpiresAt: undefined,
      certificateExpiresAt: undefined,
    })
  })

  test('a person is added once by 64 callers with the same name at once on two pools', async () => {
    const other = store.openPool()
    try {
      const entered = await Promise.all(
        Array.from({ length: 64 }, (_, i) =>
          insertUser(i % 2 === 0 ? pool : other, { name: 'ada', roles: ['viewer'], createdBy: String(i) }),
        ),
      )
      expect(entered.filter((user) => user !== undefined)).toHaveLength(1)
    } finally {
      await other.end()
    }
  })

  test('a person is listed by name, a page at a time', async () => {
    for (const name of ['cy', 'ada', 'bob']) await enter(name)
    const names = async (page: Parameters<typeof selectUsers>[1]) =>
      (await selectUsers(pool, page)).map(({ name }) => name)
    expect(await names({ size: 2, after: undefined })).toEqual(['ada', 'bob'])
    expect(await names({ size: 2, after: 'bob' })).toEqual(['cy'])
  })
})

describe('the key of a person', () => {
  test('a key is bound to the person once, for 64 keys at once on two pools', async () => {
    const other = store.openPool()
    try {
      await enter('ada')
      const bound = await Promise.all(
        Array.from({ length: 64 }, (_, i) => {
          const signup = { name: 'ada', tokenId: 't-ada', keyFingerprint: key(), sessionTtlSeconds: 600 }
          return bindKey(i % 2 === 0 ? pool : other, { ...signup, remoteAddress: '10.0.0.1' })
        }),
      )
      expect(bound.filter((session) => session !== undefined)).toHaveLength(1)
      expect(await signups()).toEqual([{ token_id: 't-ada', details: { user: 'ada', roles: ['viewer'] } }])
    } finally {
      await other.end()
    }
  })

  test('a key that is bound stays bound when it asks again, in the session that it began', async () => {
    await enter('ada', ['admin'])
    const keyFingerprint = key()
    const first = await bind('ada', keyFingerprint)
    expect(first).toEqual({ roles: ['admin'], sessionExpiresAt: expect.any(Date) })
    expect(Math.abs(first!.sessionExpiresAt.getTime() - Date.now() - 600_000)).toBeLessThan(60_000)
    expect(await bind('ada', keyFingerprint, { sessionTtlSeconds: 9_000 })).toEqual(first)
    expect(await signups()).toHaveLength(1)
  })

  test('a key that signs up 64 times at once on two pools is one signup on record', async () => {
    const other = store.openPool()
    try {
      await enter('ada')
      const keyFingerprint = key()
      const signup = {
        name: 'ada',
        tokenId: 't-ada',
        keyFingerprint,
        sessionTtlSeconds: 600,
        remoteAddress: '10.0.0.1',
      }
      const bound = await Promise.all(Array.from({ length: 64 }, (_, i) => bindKey(i % 2 === 0 ? pool : other, signup)))
      expect(new Set(bound.map((session) => session?.sessionExpiresAt.getTime())).size).toBe(1)
      expect(await signups()).toHaveLength(1)
    } finally {
      await other.end()
    }
  })

  test('a key is bound by the one token for the person, and by no other', async () => {
    await enter('ada')
    await enter('bob')
    expect(await bind('ada', key(), { tokenId: 't-bob' })).toBeUndefined()
    expect(await bind('eve', key(), { tokenId: 't-ada' })).toBeUndefined()
    expect(await resetIdentity(pool, 'ada', 'newer')).toMatchObject({ replacedTokenId: 't-ada' })
    expect(await bind('ada', key())).toBeUndefined()
    expect(await bind('ada', key(), { tokenId: 'newer' })).toBeDefined()
  })

  test('a key belongs to one person only', async () => {
    const keyFingerprint = await active('ada')
    await enter('bob')
    expect(await refusal(bind('bob', keyFingerprint))).toMatchObject({ reason: 'KEY_USED_BEFORE' })
  })

  test('a key gets no certificate and no audit event once it is no longer the key of the person', async () => {
    const keyFingerprint = await active('ada')
    await pool.query('truncate audit_events')
    await resetIdentity(pool, 'ada', 'newer')
    expect(await note('ada', keyFingerprint)).toBe(false)
    const certificate = { ...granted('ab'.repeat(16), inAnHour()), hasReturned: false }
    const who = { name: 'ada', keyFingerprint, actor: 'spiffe://c/user/ada', remoteAddress: '10.0.0.1' }
    expect(await recordUserRenewal(pool, { ...certificate, ...who })).toBe(false)
    expect((await pool.query('select id from audit_events')).rows).toEqual([])
  })
})

describe('renewals', () => {
  test('renewals are allowed up to a number at once, for any number of callers on two pools, and then one every ten seconds', async () => {
    const other = store.openPool()
    try {
      const holder = { name: 'ada', keyFingerprint: await active('ada') }
      const outcomes = await Promise.all(
        Array.from({ length: RENEWALS_AT_ONCE + 22 }, (_, i) => chargeRenewal(i % 2 === 0 ? pool : other, holder)),
      )
      const refused = outcomes.filter((outcome) => outcome === 'too-soon').length
      // The first renewals are partly paid off by the time of the last one.
      expect(refused).toBeGreaterThanOrEqual(20)
      expect(refused).toBeLessThanOrEqual(22)
      await pool.query(`update users set renewals_paid_until = renewals_paid_until - interval '20 seconds'`)
      expect(await chargeRenewal(pool, holder)).toMatchObject({ roles: ['viewer'] })
    } finally {
      await other.end()
    }
  })

  test('renewals are for the key of the person, while the session lasts', async () => {
    const keyFingerprint = await active('ada')
    expect(await chargeRenewal(pool, { name: 'ada', keyFingerprint: key() })).toBeUndefined()
    await pool.query(`update users set session_expires_at = now()`)
    expect(await chargeRenewal(pool, { name: 'ada', keyFingerprint })).toBeUndefined()
  })
})

describe('the roles of a person', () => {
  test('the roles of a person are those of the name and the key together, while the session lasts', async () => {
    const keyFingerprint = await active('ada', ['operator'])
    await active('bob', ['admin'])
    const rolesOf = (name: string, shown: Buffer) => selectCurrentRoles(pool, { name, keyFingerprint: shown })
    expect(await rolesOf('ada', keyFingerprint)).toEqual(['operator'])
    expect(await selectSession(pool, { name: 'ada', keyFingerprint })).toMatchObject({ roles: ['operator'] })
    expect(await rolesOf('bob', keyFingerprint)).toBeUndefined()
    expect(await rolesOf('ada', key())).toBeUndefined()
    await updateRoles(pool, 'ada', ['viewer'])
    expect(await rolesOf('ada', keyFingerprint)).toEqual(['viewer'])
    await pool.query(`update users set session_expires_at = now()`)
    expect(await rolesOf('ada', keyFingerprint)).toBeUndefined()
    expect(await selectSession(pool, { name: 'ada', keyFingerprint })).toBeUndefined()
  })

  test('the roles of a person are read without a wait while another caller changes the person, who is seen about once a minute', async () => {
    const keyFingerprint = await active('ada')
    const seen = async () => (await selectUser(pool, 'ada'))!.lastSeenAt!.getTime()
    const ask = () => selectCurrentRoles(pool, { name: 'ada', keyFingerprint })
    await pool.query(`update users set last_seen_at = now() - interval '59 seconds'`)
    const before = await seen()
    await ask()
    expect(await seen()).toBe(before)
    await pool.query(`update users set last_seen_at = now() - interval '61 seconds'`)
    const stale = await seen()
    const client = await pool.connect()
    try {
      await client.query('begin')
      await client.query(`select name from users for update`)
      expect(await ask()).toEqual(['viewer'])
      expect(await seen()).toBe(stale)
      await client.query('rollback')
    } finally {
      client.release()
    }
    await ask()
    expect(await seen()).toBeGreaterThan(stale)
  })
})

describe('the last admin', () => {
  test('the last admin is an admin in a session, when there is no other', async () => {
    await active('ada', ['admin'])
    await enter('invited', ['admin'])
    await active('expired', ['admin'])
    await pool.query(`update users set session_expires_at = now() where name = 'expired'`)
    await active('bob', ['operator'])
    expect(await deleteUser(pool, 'ada')).toBeUndefined()
    expect(await updateRoles(pool, 'ada', ['operator'])).toBeUndefined()
    expect(await updateRoles(pool, 'ada', ['admin', 'viewer'])).toMatchObject({ roles: ['admin', 'viewer'] })
    for (const name of ['invited', 'expired', 'bob']) expect(await deleteUser(pool, name)).toMatchObject({ name })

    await active('cy', ['admin', 'viewer'])
    expect(await updateRoles(pool, 'ada', ['viewer'])).toMatchObject({ name: 'ada' })
    expect(await deleteUser(pool, 'cy')).toBeUndefined()
  })

  test('an admin counts while the session lasts, whatever their certificate: they can come back', async () => {
    await active('asleep', ['admin'], new Date(Date.now() - 1))
    expect(await deleteUser(pool, 'asleep')).toBeUndefined()
    expect(await updateRoles(pool, 'asleep', ['viewer'])).toBeUndefined()
    await active('ada', ['admin'])
    expect(await deleteUser(pool, 'ada')).toMatchObject({ name: 'ada' })
  })

  test('an admin who never signed up can be removed: nobody has that identity', async () => {
    await enter('ada', ['admin'])
    expect(await deleteUser(pool, 'ada')).toMatchObject({ name: 'ada' })
    expect(await deleteUser(pool, 'ada')).toBeUndefined()
  })
})
