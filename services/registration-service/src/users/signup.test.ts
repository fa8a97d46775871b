import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { AppError } from '@muster/domain'
import { generateKey, keyFingerprint, parseIdentity, publicKeyDer, verifyChain } from '@muster/pki'
import { eventually } from '@muster/testkit'
import { createLogger } from '@muster/service-kit'
import { ADDRESSES, refusal } from '../../test/support/service.ts'
import { servePeople, signupRequest, type People } from '../../test/support/people.ts'
import { selectUser } from './store/people.ts'

const lines: string[] = []
let people: People

beforeAll(async () => {
  const log = createLogger('test', 'debug', { write: (line) => void lines.push(line) })
  people = await servePeople({ log, refusedPerMinute: 1_000 })
})
beforeEach(async () => {
  await people.empty()
  const { tokens, authority } = people.served
  tokens.failure = undefined
  tokens.refusal = undefined
  authority.failure = undefined
  authority.meanwhile = undefined
  authority.signedUsers.length = 0
  tokens.spends.length = 0
})
afterAll(async () => {
  await people.close()
})

async function audits() {
  const { rows } = await people.pool.query<Record<string, unknown>>(
    `select action, actor, remote_address, outcome, reason, token_id, details
       from audit_events where action = 'user.signup' order by id`,
  )
  return rows
}

describe('a person who signs up', () => {
  test('a person who signs up gets a certificate for their own key, the roots to trust, the end of the session and the addresses', async () => {
    const token = await people.invite('ada', ['operator', 'viewer'])
    const privateKey = generateKey()
    const reply = await people.signup(token, 'ada', privateKey)
    const [leafDer, ...intermediatesDer] = reply.certificate!.chainDer as [Buffer, Buffer]
    expect(verifyChain({ leafDer, intermediatesDer, rootsDer: reply.trustBundle!.userRootsDer })).toBe(true)
    expect(parseIdentity(leafDer)).toMatchObject({
      spiffeId: `spiffe://${people.served.cluster.clusterName}/user/ada`,
      roles: ['operator', 'viewer'],
      publicKeyDer: publicKeyDer(privateKey),
    })
    expect(Math.abs(reply.sessionExpiresAt!.getTime() - Date.now() - 86_400_000)).toBeLessThan(60_000)
    expect(reply.addresses).toEqual(ADDRESSES)
    expect(await selectUser(people.pool, 'ada')).toMatchObject({
      state: 'active',
      sessionExpiresAt: reply.sessionExpiresAt,
      certificateExpiresAt: reply.certificate!.expiresAt,
      lastSeenAt: expect.any(Date),
    })
  })

  test('a person who signs up is recorded with the token, and token-service gets the name and the address', async () => {
    const token = await people.invite('ada')
    const privateKey = generateKey()
    await people.signup(token, 'ada', privateKey)
    expect(people.served.tokens.spends).toEqual([
      {
        value: token,
        keyFingerprint: keyFingerprint(publicKeyDer(privateKey)),
        purpose: { $case: 'signup', value: { userName: 'ada', remoteAddress: '127.0.0.1' } },
      },
    ])
    expect(await audits()).toEqual([
      {
        action: 'user.signup',
        actor: 'anonymous',
        remote_address: '127.0.0.1',
        outcome: 'ok',
        reason: null,
        token_id: people.served.tokens.signupTokens.at(-1)!.id,
        details: { user: 'ada', roles: ['viewer'] },
      },
    ])
  })

  test.each([[true], [false]])(
    '32 keys that race for one token sign up one person (spent once by it: %s)',
    async (once) => {
      const token = await people.invite('ada')
      let first: string | undefined
      if (once) {
        people.served.tokens.refusal = ({ keyFingerprint: key }) => {
          first ??= key.toString('hex')
          return key.toString('hex') === first ? undefined : { reason: 'TOKEN_USED_UP', tokenId: 'abcdefghij' }
        }
      }
      const racers = Array.from({ length: 32 }, () => people.signup(token, 'ada'))
      const outcomes = await Promise.allSettled(racers)
      const winners = outcomes.filter(({ status }) => status === 'fulfilled')
      expect(winners).toHaveLength(1)
      for (const outcome of outcomes) {
        if (outcome.status === 'fulfilled') continue
        const reason = once ? 'TOKEN_USED_UP' : 'TOKEN_REVOKED'
        expect(outcome.reason).toMatchObject({ kind: 'failedPrecondition', reason })
      }
      expect(people.served.authority.signedUsers).toHaveLength(1)
      expect((await audits()).filter(({ outcome }) => outcome === 'ok')).toHaveLength(1)
    },
  )
})

describe('a signup that breaks off', () => {
  const away = new AppError('unavailable', 'no answer')
  const tokens = () => people.served.tokens
  const authority = () => people.served.authority
  const mendTokens = () => void (tokens().failure = undefined)
  const mendAuthority = () => void (authority().failure = undefined)
  const breakTable =
    (table: string, unless = 'false') =>
    () =>
      people.pool.query(`alter table ${table} add constraint broken check (${unless}) not valid`)
  const repairTable = (table: string) => () => people.pool.query(`alter table ${table} drop constraint broken`)

  const BREAKS: [string, () => unknown, () => unknown][] = [
    ['before the token is spent', () => void (tokens().failure = { error: away }), mendTokens],
    [
      'when the token is spent and the answer lost',
      () => void (tokens().failure = { error: away, afterwards: true }),
      mendTokens,
    ],
    ['when the key is to be bound', breakTable('users'), repairTable('users')],
    ['before the key is signed', () => void (authority().failure = { error: away }), mendAuthority],
    [
      'when the key is signed and the answer lost',
      () => void (authority().failure = { error: away, afterwards: true }),
      mendAuthority,
    ],
    ['when the bond is to be put on record', breakTable('audit_events'), repairTable('audit_events')],
    ['when the certificate is to be noted', breakTable('users', 'certificate_serial is null'), repairTable('users')],
  ]

  test.each(BREAKS)('a signup that breaks off %s gives the same person when repeated', async (_when, breaks, mends) => {
    const token = await people.invite('ada')
    const privateKey = generateKey()
    await breaks()
    expect(['unavailable', 'internal']).toContain((await refusal(people.signup(token, 'ada', privateKey))).kind)
    await mends()
    const left = await selectUser(people.pool, 'ada')
    expect(left).toMatchObject({ state: 'invited' })
    // The event exists if and only if the key is bound.
    expect(await audits()).toHaveLength(left!.signedUpAt === undefined ? 0 : 1)

    const reply = await people.signup(token, 'ada', privateKey)
    expect(await selectUser(people.pool, 'ada')).toMatchObject({
      state: 'active',
      sessionExpiresAt: reply.sessionExpiresAt,
      certificateExpiresAt: reply.certificate!.expiresAt,
    })
    expect((await audits()).map(({ outcome }) => outcome)).toEqual(['ok'])
  })

  test('a signup that breaks off before its reply arrives is the same session when repeated, with a newer certificate', async () => {
    const token = await people.invite('ada')
    const privateKey = generateKey()
    const lost = await people.signup(token, 'ada', privateKey)
    const reply = await people.signup(token, 'ada', privateKey)
    expect(reply.sessionExpiresAt).toEqual(lost.sessionExpiresAt)
    expect(reply.certificate!.serial).not.toBe(lost.certificate!.serial)
  })
})

describe('a signup that is refused', () => {
  test.each([
    ['TOKEN_UNKNOWN', '', 'permissionDenied'],
    ['TOKEN_EXPIRED', 'tokenoftoke', 'failedPrecondition'],
    ['TOKEN_WRONG_TYPE', 'tokenoftoke', 'failedPrecondition'],
  ])(
    'a signup that is refused with %s by token-service says so, signs nothing, and is recorded once',
    async (reason, tokenId, kind) => {
      const token = await people.invite('ada')
      people.served.tokens.refusal = () => ({ reason, tokenId })
      expect(await refusal(people.signup(token, 'ada'))).toMatchObject({ kind, reason })
      expect(people.served.authority.signedUsers).toEqual([])
      expect(await selectUser(people.pool, 'ada')).toMatchObject({ state: 'invited' })
      const claimed = people.served.tokens.signupTokens.at(-1)!.id
      expect(await audits()).toMatchObject([
        { outcome: 'refused', reason, token_id: tokenId || claimed, details: { user: 'ada' } },
      ])
    },
  )

  test('a signup that is refused for a restriction names it in the audit, and not to the caller', async () => {
    const token = await people.invite('ada')
    people.served.tokens.refusal = () => ({ reason: 'TOKEN_RESTRICTED', restriction: 'user' })
    const error = await refusal(people.signup(token, 'bob'))
    expect(error.reason).toBe('TOKEN_RESTRICTED')
    expect(error.message).not.toContain('ada')
    expect(await audits()).toMatchObject([{ details: { restriction: 'user', user: 'bob' } }])
  })

  test.each([
    ['token', { token: 't'.repeat(513) }, 'INVALID_FIELD'],
    ['user_name', { userName: '../ada' }, 'INVALID_FIELD'],
    ['csr_der', { csrDer: Buffer.from('junk') }, 'CSR_MALFORMED'],
  ])('a signup that is refused for a bad %s spends nothing', async (field, overrides, reason) => {
    const token = await people.invite('ada')
    const client = people.client(people.served.cluster.anonymous())
    const answer = client.signup({ ...signupRequest(token, 'ada', generateKey()), ...overrides })
    expect(await refusal(answer)).toMatchObject({ kind: 'invalidArgument', field, reason })
    expect(people.served.tokens.spends).toEqual([])
    expect(await audits()).toMatchObject([{ outcome: 'refused', reason }])
  })

  test('a signup whose person was removed meanwhile is refused, and leaves no person', async () => {
    const token = await people.invite('ada')
    await people.client(people.breakGlass).removeUser({ name: 'ada' })
    expect(await refusal(people.signup(token, 'ada'))).toMatchObject({ reason: 'TOKEN_REVOKED' })
    expect(await selectUser(people.pool, 'ada')).toBeUndefined()
    expect(people.served.authority.signedUsers).toEqual([])
  })

  test('a signup whose person was reset while it was signed is refused, and returns no certificate', async () => {
    const token = await people.invite('ada')
    people.served.authority.meanwhile = () =>
      people.client(people.breakGlass).resetUser({ name: 'ada', signupTtlSeconds: 60 })
    expect(await refusal(people.signup(token, 'ada'))).toMatchObject({ reason: 'TOKEN_REVOKED' })
    expect(await selectUser(people.pool, 'ada')).toMatchObject({ state: 'invited' })
  })

  test('a signup with the key of another person is refused', async () => {
    const privateKey = generateKey()
    await people.signup(await people.invite('ada'), 'ada', privateKey)
    const error = await refusal(people.signup(await people.invite('bob'), 'bob', privateKey))
    expect(error).toMatchObject({ kind: 'failedPrecondition', reason: 'KEY_USED_BEFORE' })
  })
})

describe('the log and the database', () => {
  test('the log and the database hold no signup token, however the signup ended', async () => {
    lines.length = 0
    const token = await people.invite('ada')
    await people.signup(token, 'ada')
    await refusal(people.signup(token, '..'))
    await eventually('logged', () => lines.filter((line) => line.includes('/Signup"')).length >= 2)
    const said = lines.join('') + (await people.served.database.dump('registration'))
    expect(said).toContain('user.signed-up')
    expect(said).not.toContain(token)
    expect(said).not.toContain(token.split('_')[2])
  })
})
