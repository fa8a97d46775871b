import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { token } from '@muster/contracts'
import {
  DAY_SECONDS,
  listRequest,
  newKey,
  refusal,
  serveTokens,
  signupRequest,
  spendRequest,
  type Served,
} from '../../test/support/service.ts'

let served: Served

beforeAll(async () => {
  served = await serveTokens()
})
beforeEach(() => served.clear())
afterAll(() => served.close())

describe('a signup token', () => {
  const createdBy = 'spiffe://test.muster.internal/user/ada'
  const createFor = (userName: string, ttlSeconds = 3_600) =>
    served.as('registration-service').createSignupToken({ userName, ttlSeconds, createdBy })

  test('a signup token is created for one person, shown once, and listed beside the others', async () => {
    const { token: made, value } = await createFor('bo')
    expect(value).toMatch(/^mtk_[a-z2-7]{10}_[a-z2-7]{32}$/)
    expect(made).toMatchObject({
      type: token.TokenType.SIGNUP,
      userName: 'bo',
      roles: [],
      maxUses: 1,
      uses: 0,
      createdBy,
    })
    expect((await served.as('viewer').listTokens(listRequest())).tokens).toEqual([made])
    const { rows } = await served.pool.query('select action, actor, token_id, details from audit_events')
    const details = { type: 'signup', user: 'bo', ttlSeconds: 3_600 }
    expect(rows).toEqual([{ action: 'token.create', actor: createdBy, token_id: made!.id, details }])
  })

  test('a signup token admits that person once', async () => {
    const { token: made, value } = await createFor('bo')
    const other = await served.spend(signupRequest(value, 'cy'))
    expect(other.value).toMatchObject({ reason: 'TOKEN_RESTRICTED', restriction: 'user', tokenId: made!.id })
    expect((await served.spend(spendRequest(value))).value).toMatchObject({ reason: 'TOKEN_WRONG_TYPE' })
    expect((await served.spend(signupRequest(value, 'bo'))).$case).toBe('spent')
    expect((await served.spend(signupRequest(value, 'bo'))).value).toMatchObject({ reason: 'TOKEN_USED_UP' })
  })

  test('a signup token leaves the others of its person unchanged, for 64 that are created at once on two replicas', async () => {
    const clients = [
      served.as('registration-service'),
      served.otherClient(served.cluster.service('registration-service')),
    ] as const
    const made = await Promise.all(
      Array.from({ length: 64 }, (_, i) =>
        clients[i % 2]!.createSignupToken({ userName: 'bo', ttlSeconds: 60, createdBy }),
      ),
    )
    const results = await Promise.all(made.map(({ value }) => served.spend(signupRequest(value, 'bo'))))
    expect(results.filter(({ $case }) => $case === 'spent')).toHaveLength(64)
  })

  test('a signup token is revoked alone when its id is given, even if it was used', async () => {
    const [first, second] = [await createFor('bo'), await createFor('bo')]
    const key = newKey()
    await served.spend(signupRequest(first.value, 'bo', key))
    const tokenId = first.token!.id
    await served.as('registration-service').revokeSignupTokens({ userName: 'bo', revokedBy: createdBy, tokenId })
    expect((await served.spend(signupRequest(first.value, 'bo', key))).value).toMatchObject({ reason: 'TOKEN_REVOKED' })
    expect((await served.spend(signupRequest(second.value, 'bo', key))).$case).toBe('spent')
  })

  test('a signup token is not revoked by its id under the name of another person', async () => {
    const { token: made, value } = await createFor('bo')
    const wrong = { userName: 'cy', revokedBy: createdBy, tokenId: made!.id }
    await served.as('registration-service').revokeSignupTokens(wrong)
    expect((await served.spend(signupRequest(value, 'bo'))).$case).toBe('spent')
  })

  test('a signup token ends with the others of its person, when that is repeated too, and not with those of other people', async () => {
    const bo = await createFor('bo')
    const cy = await createFor('cy')
    const end = () =>
      served.as('registration-service').revokeSignupTokens({ userName: 'bo', revokedBy: createdBy, tokenId: '' })
    await end()
    await end()
    expect((await served.spend(signupRequest(bo.value, 'bo'))).value).toMatchObject({ reason: 'TOKEN_REVOKED' })
    expect((await served.spend(signupRequest(cy.value, 'cy'))).$case).toBe('spent')
    const { rows } = await served.pool.query(`select actor, token_id from audit_events where action = 'token.revoke'`)
    expect(rows).toEqual([{ actor: createdBy, token_id: bo.token!.id }])
  })

  test('a signup token can be removed by an operator, and not extended', async () => {
    const { token: made, value } = await createFor('bo')
    const error = await refusal(served.as('operator').extendToken({ idOrName: made!.id, ttlSeconds: 60 }))
    expect(error).toMatchObject({ kind: 'failedPrecondition' })
    expect(error.message).toContain("'musterctl users reset bo'")
    await served.as('operator').revokeToken({ idOrValue: made!.id })
    expect((await served.spend(signupRequest(value, 'bo'))).value).toMatchObject({ reason: 'TOKEN_REVOKED' })
  })

  test('a signup token is refused for a bad name, for too long a lifetime, and on behalf of nobody', async () => {
    expect((await refusal(createFor('Bo'))).field).toBe('user_name')
    for (const ttlSeconds of [0, 2 * DAY_SECONDS + 1]) {
      const error = await refusal(createFor('bo', ttlSeconds))
      expect(error.field).toBe('ttl')
      expect(error.message).toContain('2d')
    }
    const request = { userName: 'bo', ttlSeconds: 60, createdBy: 'ada' }
    expect((await refusal(served.as('registration-service').createSignupToken(request))).field).toBe('created_by')
    const revoke = served.as('registration-service').revokeSignupTokens
    const revocation = { userName: 'bo', revokedBy: createdBy, tokenId: '' }
    expect((await refusal(revoke({ ...revocation, revokedBy: '' }))).field).toBe('revoked_by')
    expect((await refusal(revoke({ ...revocation, tokenId: 'x' }))).field).toBe('token_id')
    expect((await served.pool.query('select from tokens')).rowCount).toBe(0)
  })
})
