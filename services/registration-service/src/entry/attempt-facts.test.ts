import { describe, expect, test } from '@jest/globals'
import { addFacts, factsOf, withFacts } from './attempt-facts.ts'

/** The error and facts that a part of an attempt ends with. */
async function endOf(part: Promise<unknown>) {
  return factsOf(
    await part.then(
      () => undefined,
      (thrown: unknown) => thrown,
    ),
  )
}

describe('the facts of a refused attempt', () => {
  const error = new Error('refused')

  test('the facts of a refused attempt come with the thrown error, from all parts around it, the innermost first', async () => {
    const attempt = withFacts({ action: 'node.join', details: { hostname: 'web-1' } }, () =>
      withFacts({ action: 'bot.join', tokenId: 'abc' }, async () => {
        throw addFacts(error, { tokenId: 'xyz', details: { restriction: 'allow-cidr' } })
      }),
    )
    expect(await endOf(attempt)).toMatchObject({
      error,
      facts: { action: 'bot.join', tokenId: 'xyz', details: { hostname: 'web-1', restriction: 'allow-cidr' } },
    })
  })

  test('an error from outside of any part has no facts of an attempt', async () => {
    expect(await endOf(Promise.reject(error))).toEqual({ error, facts: {} })
  })

  test('the facts of an attempt do not change its result', async () => {
    expect(await withFacts({ tokenId: 'abc' }, async () => 'in')).toBe('in')
  })
})
