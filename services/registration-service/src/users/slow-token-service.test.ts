import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { TOKEN, joinRequest } from '../../test/support/service.ts'
import { servePeople, type People } from '../../test/support/people.ts'
import { eventually } from '@muster/testkit'

/** As many as the pool has connections. */
const CALLS = 10

let people: People

beforeAll(async () => {
  people = await servePeople()
})
afterAll(async () => {
  people.served.tokens.beforeSignupToken = undefined
  await people.close()
})

/** Makes token-service hang when it creates a signup token. @returns how many calls hang, and a function that releases them */
function hangSignupTokens() {
  let hanging = 0
  let resume = () => {}
  const resumed = new Promise<void>((resolve) => (resume = resolve))
  people.served.tokens.beforeSignupToken = () => {
    hanging += 1
    return resumed
  }
  return { count: () => hanging, resume }
}

test.each(['resetUser', 'createUser'] as const)(
  'nodes join while token-service hangs and as many calls of %s wait for it as the pool has connections',
  async (rpc) => {
    const root = await people.add(`root-${rpc.toLowerCase()}`)
    const names = Array.from({ length: CALLS }, (_, i) => `${rpc.toLowerCase()}-${i}`)
    if (rpc === 'resetUser') for (const name of names) await people.add(name, { roles: ['viewer'] })
    const hang = hangSignupTokens()
    const admin = people.client(root)
    const calls = names.map((name) =>
      rpc === 'resetUser'
        ? admin.resetUser({ name, signupTtlSeconds: 60 })
        : admin.createUser({ name, roles: ['viewer'], signupTtlSeconds: 60 }),
    )
    try {
      await eventually('all calls hang', () => hang.count() === CALLS)
      const joined = await people.served
        .client(people.served.cluster.anonymous())
        .register(joinRequest({ token: TOKEN }))
      expect(joined.nodeId).not.toBe('')
      expect(people.pool.idleCount).toBe(people.pool.totalCount)
    } finally {
      hang.resume()
    }
    await Promise.all(calls)
  },
)
