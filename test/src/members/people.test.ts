import type { AppError } from '@muster/domain'
import { expect, test } from '@jest/globals'
import { useCluster } from '../harness/use-cluster.ts'
import { signUp, type Person } from '../harness/person.ts'
import { waitFor } from '../harness/waiting.ts'

const cluster = useCluster({ replicas: { 'token-service': 2, 'ca-service': 2, 'registration-service': 2 } })

const LIST = { pageSize: 0, pageToken: '' }
const EVERY_TOKEN = { ...LIST, types: [], roles: [], labels: {}, states: [], used: false }

/** The answer of each service to a person who only reads, on every replica. */
async function look({ tokens, authority, nodes }: Person): Promise<string[]> {
  const asked = [0, 1].flatMap(() => [
    tokens.listTokens(EVERY_TOKEN),
    authority.listAuthorities({}),
    nodes.listNodes({ ...LIST, tokenId: '', labels: {}, statuses: [], search: '' }),
  ])
  return [...new Set(await Promise.all(asked.map(outcome)))]
}

function outcome(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'let in',
    (error: AppError) => error.reason ?? error.kind,
  )
}

test('a removed person is rejected by every service at once, on open connections and streams too', async () => {
  const { operator } = cluster()
  const ada = await signUp(cluster(), 'ada', ['viewer'])
  expect(await look(ada)).toEqual(['let in'])
  let events = 0
  const watched = outcome(
    (async () => {
      for await (const { event } of ada.watch(new AbortController().signal)) if (event !== undefined) events += 1
    })(),
  )
  await waitFor('the watch to have begun', () => events > 0)
  await operator.users.removeUser({ name: 'ada' })
  expect(await look(ada)).toEqual(['USER_UNKNOWN'])
  expect(await watched).toBe('USER_UNKNOWN')

  await signUp(cluster(), 'ada', ['admin'])
  expect(await look(ada)).toEqual(['USER_UNKNOWN'])
})

test('a role that was taken away stops working on every service at once', async () => {
  const { operator } = cluster()
  const bob = await signUp(cluster(), 'bob', ['operator'])
  const add = () => outcome(bob.tokens.extendToken({ idOrName: 'nothing', ttlSeconds: 60 }))
  expect(await add()).not.toBe('CALLER_NOT_ALLOWED')
  await operator.users.updateUser({ name: 'bob', roles: ['viewer'] })
  expect(await Promise.all([add(), add()])).toEqual(['CALLER_NOT_ALLOWED', 'CALLER_NOT_ALLOWED'])
  expect(await look(bob)).toEqual(['let in'])
})

test('while registration-service is down, people are told to try again, and break-glass identities work', async () => {
  const { operator, services, restart } = cluster()
  const cy = await signUp(cluster(), 'cy', ['admin'])
  await Promise.all(services['registration-service'].map((replica) => replica.stop()))
  try {
    expect(await outcome(cy.tokens.listTokens(EVERY_TOKEN))).toBe('unavailable')
    expect(await outcome(cy.authority.listAuthorities({}))).toBe('unavailable')
    expect(await outcome(operator.tokens.listTokens(EVERY_TOKEN))).toBe('let in')
    expect(await outcome(operator.authority.listAuthorities({}))).toBe('let in')
  } finally {
    for (const replica of [0, 1]) await restart('registration-service', replica)
  }
  await waitFor('people to be let in again', async () => (await look(cy)).join() === 'let in')
})
