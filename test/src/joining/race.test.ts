import { generateKey } from '@muster/pki'
import { beforeAll, expect, test } from '@jest/globals'
import { useCluster } from '../harness/use-cluster.ts'
import { joinDirectly } from '../harness/joining.ts'
import { signUpDirectly } from '../harness/person.ts'
import { waitFor } from '../harness/waiting.ts'

const cluster = useCluster({
  replicas: { 'ca-service': 2, 'token-service': 2, 'registration-service': 2 },
  // All callers come from one address, and each loser must get the reason.
  env: { 'registration-service': { MUSTER_REFUSED_JOINS_PER_MINUTE: '1000' } },
})

/** Joins all at once, one TLS connection each, spread over both replicas of registration-service. */
async function joinAtOnce(token: string, keys: ReturnType<typeof generateKey>[]) {
  const joins = keys.map((key, i) =>
    joinDirectly(cluster(), { token, key, hostname: `racer-${i}`, replica: i % 2, timeoutMs: 60_000 }),
  )
  const results = await Promise.allSettled(joins)
  return {
    nodeIds: results.flatMap((result) => (result.status === 'fulfilled' ? [result.value.nodeId] : [])),
    refusals: results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : [])),
  }
}

async function nodesOf(tokenId: string): Promise<{ id: string; joined: boolean }[]> {
  const { rows } = await cluster().db.query(
    'select id, joined_at is not null as joined from registration.nodes where token_id = $1',
    [tokenId],
  )
  return rows
}

async function usesOf(tokenId: string): Promise<number> {
  const { rows } = await cluster().db.query('select uses from token.tokens where id = $1', [tokenId])
  return rows[0].uses
}

function newKeys(count: number) {
  return Array.from({ length: count }, () => generateKey())
}

/** Calls go round the replicas that are connected: without joins at both replicas of both services, a race shows nothing. */
async function bothReplicasServeJoins(): Promise<boolean> {
  for (const program of ['token-service', 'registration-service'] as const) {
    const log = await cluster().serviceLog(program)
    for (const { pid } of cluster().services[program]) {
      if (!new RegExp(`"pid":${pid},.*"method":"[^"]*(?:SpendToken|Register)"`).test(log)) return false
    }
  }
  return true
}

beforeAll(async () => {
  const { value } = await cluster().operator.makeToken()
  await waitFor('joins at both replicas of both services', async () => {
    for (const replica of [0, 1]) await joinDirectly(cluster(), { token: value, replica })
    return bothReplicasServeJoins()
  })
})

test('64 agents race for a single-use token over two replicas, and exactly one joins', async () => {
  const { value, id } = await cluster().operator.makeToken({ maxUses: 1 })
  const { nodeIds, refusals } = await joinAtOnce(value, newKeys(64))
  expect(nodeIds).toHaveLength(1)
  expect(refusals.map(({ reason }) => reason)).toEqual(Array.from({ length: 63 }, () => 'TOKEN_USED_UP'))
  expect(await nodesOf(id)).toEqual([{ id: nodeIds[0], joined: true }])
  expect(await usesOf(id)).toBe(1)
})

test('an agent that joins 16 times at once gets the same node id each time, and the token is spent once', async () => {
  const { value, id } = await cluster().operator.makeToken({ maxUses: 1 })
  const key = generateKey()
  const { nodeIds, refusals } = await joinAtOnce(
    value,
    Array.from({ length: 16 }, () => key),
  )
  expect(refusals).toEqual([])
  expect(nodeIds).toHaveLength(16)
  expect(new Set(nodeIds).size).toBe(1)
  expect(await nodesOf(id)).toEqual([{ id: nodeIds[0], joined: true }])
  expect(await usesOf(id)).toBe(1)
})

test('64 agents that join at once with an unlimited token are 64 nodes on every replica', async () => {
  const { value, id } = await cluster().operator.makeToken()
  const { nodeIds, refusals } = await joinAtOnce(value, newKeys(64))
  expect(refusals).toEqual([])
  expect(new Set(nodeIds).size).toBe(64)
  expect((await nodesOf(id)).filter(({ joined }) => joined)).toHaveLength(64)
  for (const replica of [0, 1]) {
    const onRoll = (await cluster().operator.roll(replica)).filter(({ tokenId }) => tokenId === id)
    expect(new Set(onRoll.map((node) => node.id))).toEqual(new Set(nodeIds))
  }
})

test('32 callers race for one signup token over two replicas, and exactly one signs up', async () => {
  const { users } = cluster().operator
  const name = 'raced'
  const { signupToken: token } = await users.createUser({ name, roles: ['viewer'], signupTtlSeconds: 300 })
  const signups = Array.from({ length: 32 }, (_, i) => signUpDirectly(cluster(), { token, name, replica: i % 2 }))
  const settled = await Promise.allSettled(signups)
  const won = settled.filter(({ status }) => status === 'fulfilled')
  const refusals = settled.flatMap((signup) => (signup.status === 'rejected' ? [signup.reason.reason] : []))
  expect(won).toHaveLength(1)
  expect(refusals).toEqual(Array.from({ length: 31 }, () => 'TOKEN_USED_UP'))
  expect((await users.listUsers({ pageSize: 0, pageToken: '' })).users).toMatchObject([{ name, roles: ['viewer'] }])
  const { rows } = await cluster().db.query(
    `select count(*)::int as count from registration.audit_events where action = 'user.signup' and outcome = 'ok'`,
  )
  expect(rows).toEqual([{ count: 1 }])
})
