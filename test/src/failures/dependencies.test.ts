import { registration } from '@muster/contracts'
import { generateKey } from '@muster/pki'
import type { ServiceName } from '@muster/domain'
import { Redis as RedisClient } from 'ioredis'
import { expect, test } from '@jest/globals'
import { nodeIdOf, startAgent } from '../harness/agent.ts'
import { useCluster } from '../harness/use-cluster.ts'
import { joinDirectly } from '../harness/joining.ts'
import { waitFor } from '../harness/waiting.ts'

const { NodeStatus } = registration
const INTERVAL_MS = 500

const cluster = useCluster({
  // Committed data must survive a crash of Postgres.
  durable: true,
  env: { 'registration-service': { MUSTER_HEARTBEAT_INTERVAL_MS: String(INTERVAL_MS) } },
})

function pids(): number[] {
  return Object.values(cluster().services)
    .flat()
    .map(({ pid }) => pid)
}

function running(): number[] {
  return Object.values(cluster().services)
    .flat()
    .filter((service) => !service.hasExited())
    .map(({ pid }) => pid)
}

async function statusOf(id: string): Promise<registration.NodeStatus | undefined> {
  return (await cluster().operator.roll()).find((node) => node.id === id)?.status
}

test.each<ServiceName>(['ca-service', 'token-service'])(
  'a join that begins while %s is down succeeds once it is back, without a restart of other services',
  async (program) => {
    const { services, operator, restart } = cluster()
    const { value } = await operator.makeToken({ maxUses: 1 })
    const others = pids().filter((pid) => pid !== services[program][0]!.pid)
    services[program][0]!.kill('SIGKILL')
    await services[program][0]!.exited
    const agent = await startAgent(cluster(), { name: `without-${program}`, token: value })
    await agent.line(/could not join yet/)
    expect(agent.hasExited()).toBe(false)

    await restart(program, 0)
    const nodeId = await nodeIdOf(agent)
    await agent.line(/ online$/)
    expect(running()).toEqual(expect.arrayContaining(others))
    expect((await operator.roll()).map(({ id }) => id)).toContain(nodeId)
    // The operator's own connection recovers too.
    await waitFor('an answer', () => operator.listTokens())
    await waitFor('an answer', () => operator.authority.listAuthorities({}))
    expect(await agent.stop()).toBe(0)
  },
)

test('joins continue without Redis and nodes are unknown; nodes are online again once it is back, empty', async () => {
  const { operator } = cluster()
  const before = pids()
  const { value } = await operator.makeToken()
  const agent = await startAgent(cluster(), { name: 'without-redis', token: value })
  const nodeId = await nodeIdOf(agent)
  await waitFor('the node online', async () => (await statusOf(nodeId)) === NodeStatus.ONLINE)

  await cluster().redis.stop()
  await waitFor('the node unknown', async () => (await statusOf(nodeId)) === NodeStatus.UNKNOWN)
  const { nodeId: second } = await joinDirectly(cluster(), { token: value })
  expect(await statusOf(second)).toBe(NodeStatus.PENDING)
  expect(await statusOf(nodeId)).toBe(NodeStatus.UNKNOWN)

  await cluster().startRedisAgain()
  // Services look for it about once a second; the next beat of each node that reaches it makes the node online.
  const redis = new RedisClient(cluster().redis.url)
  try {
    await waitFor('a beat in Redis', async () => (await redis.keys('*:presence:*')).length > 0)
    expect(await statusOf(nodeId)).toBe(NodeStatus.ONLINE)
    expect(agent.hasExited()).toBe(false)

    await redis.flushall()
    await waitFor('the node online after the flush', async () => (await statusOf(nodeId)) === NodeStatus.ONLINE)
  } finally {
    redis.disconnect()
  }
  expect(await statusOf(second)).toBe(NodeStatus.PENDING)
  expect(running()).toEqual(before)
  expect(await agent.stop()).toBe(0)
})

test('a node that falls silent right after Redis was emptied turns offline', async () => {
  const { operator } = cluster()
  const { value } = await operator.makeToken()
  const agent = await startAgent(cluster(), { name: 'silent-after-flush', token: value })
  const nodeId = await nodeIdOf(agent)
  await waitFor('the node online', async () => (await statusOf(nodeId)) === NodeStatus.ONLINE)
  const redis = new RedisClient(cluster().redis.url)
  agent.kill('SIGKILL')
  await redis.flushall()
  redis.disconnect()
  expect(await statusOf(nodeId)).toBe(NodeStatus.UNKNOWN)

  // The beats of another node show that Redis receives beats again.
  const witness = await startAgent(cluster(), { name: 'witness', token: value })
  await witness.line(/ online$/)
  await waitFor('the node offline', async () => (await statusOf(nodeId)) === NodeStatus.OFFLINE)
  expect(await witness.stop()).toBe(0)
})

test('no service crashes when Postgres is killed under load, and every answered join is on the roll', async () => {
  const { operator, postgres, healthy } = cluster()
  const before = pids()
  const { value, id } = await operator.makeToken()
  const answered: string[] = []
  const stop = new AbortController()
  // 20 newcomers in flight at any time; each that fails comes again with its key, as an agent does.
  const newcomer = async () => {
    while (!stop.signal.aborted) {
      const key = generateKey()
      await waitFor('an answer', async () =>
        answered.push((await joinDirectly(cluster(), { token: value, key, timeoutMs: 3_000 })).nodeId),
      )
    }
  }
  const load = Promise.all(Array.from({ length: 20 }, newcomer))
  await waitFor('joins', () => answered.length > 40)
  postgres.kill('SIGQUIT')
  await postgres.exited
  const answeredBefore = answered.length
  await cluster().startPostgresAgain()
  await waitFor('joins after the restart', () => answered.length > answeredBefore + 40)
  stop.abort()
  await load

  expect(running()).toEqual(before)
  const onRoll = (await operator.roll()).filter(({ tokenId }) => tokenId === id)
  expect(new Set(onRoll.map((node) => node.id))).toEqual(new Set(answered))
  expect(new Set(answered).size).toBe(answered.length)
  await healthy()
})
