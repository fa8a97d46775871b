import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { token } from '@muster/contracts'
import { everyKindOfPeer } from '@muster/testkit'
import { accessOfEach } from '@muster/testkit/rpc'
import { createLogger } from '@muster/service-kit'
import {
  createRequest,
  listRequest,
  PEPPER,
  serveTokens,
  signupRequest,
  spendRequest,
  type Served,
} from '../../test/support/service.ts'

const lines: string[] = []
let served: Served

beforeAll(async () => {
  served = await serveTokens(createLogger('test', 'debug', { write: (line) => void lines.push(line) }))
})
beforeEach(() => served.clear())
afterAll(() => served.close())

describe('callers of token-service', () => {
  const ALLOWED: Record<string, string[]> = {
    createToken: ['operator', 'admin'],
    getToken: ['viewer', 'operator', 'admin'],
    listTokens: ['viewer', 'operator', 'admin'],
    extendToken: ['operator', 'admin'],
    revokeToken: ['operator', 'admin'],
    spendToken: ['registration-service'],
    createSignupToken: ['registration-service'],
    revokeSignupTokens: ['registration-service'],
  }

  test('callers are defined for every RPC of the contract', () => {
    expect(Object.keys(ALLOWED)).toEqual(Object.keys(token.TokenServiceService))
    for (const { path } of Object.values(token.TokenServiceService)) expect(served.server.callers.has(path)).toBe(true)
  })

  test.each(Object.entries(token.TokenServiceService))(
    '%s admits the callers in the table and no others',
    async (rpc, method) => {
      const callers = everyKindOfPeer(served.cluster)
      const { found, expected } = await accessOfEach(callers, ALLOWED[rpc]!, served.connect, method)
      expect(found).toEqual(expected)
    },
  )
})

describe('secrets', () => {
  test('no secret is in a table or a line of the log, whatever was done with the tokens', async () => {
    lines.length = 0
    const operator = served.as('operator')
    const generated = await operator.createToken(createRequest())
    const chosen = 'CANARY-value-of-the-operators-own'
    await operator.createToken(createRequest({ maxUses: 1, value: chosen }))
    for (const value of [generated.value, chosen, chosen, 'CANARY-value-that-nobody-made']) {
      await served.spend(spendRequest(value))
    }
    await operator.createToken(createRequest({ value: chosen })).catch(() => {})
    await operator.revokeToken({ idOrValue: chosen })
    await operator.revokeToken({ idOrValue: 'CANARY-value-that-is-wrong' }).catch(() => {})
    const createdBy = 'spiffe://test.muster.internal/user/ada'
    const signup = await served
      .as('registration-service')
      .createSignupToken({ userName: 'bo', ttlSeconds: 60, createdBy })
    for (const name of ['bo', 'cy']) await served.spend(signupRequest(signup.value, name))
    await operator.extendToken({ idOrName: generated.token!.id, ttlSeconds: 90 })
    await operator.extendToken({ idOrName: chosen, ttlSeconds: 90 }).catch(() => {})
    await served
      .as('viewer')
      .getToken({ idOrName: chosen })
      .catch(() => {})
    await served.as('viewer').listTokens(listRequest())

    const dump = await served.database.dump('token')
    expect(dump).toContain(generated.token!.id)
    const said = lines.join('')
    expect(said).toContain(generated.token!.id)
    const secrets = [generated.value, signup.value].map((value) => value.split('_')[2]!)
    for (const text of [dump, said]) {
      expect(text).not.toContain('CANARY')
      for (const secret of secrets) expect(text).not.toContain(secret)
      // Nor in the ways that Postgres and JSON write bytes.
      for (const hidden of [...secrets, chosen, PEPPER.toString()]) {
        expect(text).not.toContain(Buffer.from(hidden).toString('hex'))
        expect(text).not.toContain(Buffer.from(hidden).toString('base64').replace(/=+$/, ''))
      }
    }
  })
})
