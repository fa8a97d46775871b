import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { token } from '@muster/contracts'
import { createRequest, listRequest, refusal, serveTokens, type Served } from '../../test/support/service.ts'

let served: Served

beforeAll(async () => {
  served = await serveTokens()
})
beforeEach(() => served.clear())
afterAll(() => served.close())

describe('ListTokens', () => {
  const list = (pageSize: number, pageToken = '') =>
    served.as('viewer').listTokens(listRequest({ pageSize, pageToken }))

  test('ListTokens gives consecutive pages, and never a value', async () => {
    const made = new Set<string>()
    for (let i = 0; i < 7; i++) {
      made.add((await served.as('operator').createToken(createRequest())).token!.id)
    }
    const seen: string[] = []
    let pageToken = ''
    let pages = 0
    do {
      const page = await list(3, pageToken)
      seen.push(...page.tokens.map(({ id }) => id))
      pageToken = page.nextPageToken
      pages += 1
    } while (pageToken !== '')
    expect(pages).toBe(3)
    expect(new Set(seen)).toEqual(made)
    expect(seen).toHaveLength(7)
    expect((await list(7)).nextPageToken).toBe('')
    expect((await list(0)).tokens).toHaveLength(7)
  })

  test('ListTokens refuses a page that is too large, and a page token that the service did not make', async () => {
    expect((await refusal(list(1_001))).field).toBe('page_size')
    const made = (key: unknown) => Buffer.from(JSON.stringify(key)).toString('base64url')
    const tooEarly = made(['-271821-04-20T00:00:00.000Z', 'aaaaaaaaaa'])
    for (const pageToken of ['x', made(['2026', '\0']), made(['no date', 'aaaaaaaaaa']), made([1, 2]), tooEarly]) {
      expect(await refusal(list(10, pageToken))).toMatchObject({ kind: 'invalidArgument', field: 'page_token' })
    }
  })

  test('ListTokens takes filters, and names an unknown one', async () => {
    const { token: made } = await served
      .as('operator')
      .createToken(createRequest({ labels: { env: 'prod' }, roles: ['db'] }))
    await served.as('operator').createToken(createRequest())
    const ended = (await served.as('operator').createToken(createRequest())).token!
    await served.as('operator').revokeToken({ idOrValue: ended.id })
    const ids = async (overrides: Partial<token.ListTokensRequest>) =>
      (await served.as('viewer').listTokens(listRequest(overrides))).tokens.map(({ id }) => id)
    expect(await ids({ labels: { env: 'prod' } })).toEqual([made!.id])
    expect(await ids({ roles: ['DB'] })).toEqual([made!.id])
    expect(await ids({ states: [token.TokenState.REVOKED] })).toEqual([ended.id])
    expect(await ids({ types: [token.TokenType.SIGNUP] })).toEqual([])
    const wrong: Record<string, Partial<token.ListTokensRequest>> = {
      types: { types: [token.TokenType.UNSPECIFIED] },
      states: { states: [9 as token.TokenState] },
      roles: { roles: ['king'] },
      labels: { labels: { 'a b': '' } },
    }
    for (const [field, overrides] of Object.entries(wrong)) {
      expect(await refusal(ids(overrides))).toMatchObject({ kind: 'invalidArgument', field })
    }
  })
})

describe('GetToken', () => {
  test('GetToken finds a token by id and name, in any state, and says when it was removed', async () => {
    const { token: made } = await served.as('operator').createToken(createRequest({ name: 'rack-7' }))
    expect((await served.as('viewer').getToken({ idOrName: 'rack-7' })).token).toEqual(made)
    await served.as('operator').revokeToken({ idOrValue: 'rack-7' })
    const { token: found } = await served.as('viewer').getToken({ idOrName: made!.id })
    expect(found!.state).toBe(token.TokenState.REVOKED)
    expect(found!.revokedAt).toBeInstanceOf(Date)
  })

  test('GetToken finds nothing by value, and does not repeat it', async () => {
    const { value } = await served.as('operator').createToken(createRequest())
    for (const idOrName of [value, '', 'aaaaaaaaaa', 'a\0b']) {
      const error = await refusal(served.as('viewer').getToken({ idOrName }))
      expect(error.kind).toBe('notFound')
      expect(error.message).not.toContain(idOrName || '\0')
    }
  })
})
