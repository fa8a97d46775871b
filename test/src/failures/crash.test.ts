import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { nodeIdOf, startAgent } from '../harness/agent.ts'
import { useCluster } from '../harness/use-cluster.ts'
import { startProxy, type Proxy } from '../harness/proxy.ts'
import { lockTable, type TableLock } from '../harness/table-lock.ts'
import { waitFor } from '../harness/waiting.ts'
import type { Program } from '../harness/program.ts'

const cluster = useCluster()

let tokenId: string
let name: string
let agent: Program
let proxy: Proxy
let lock: TableLock
let count = 0

beforeEach(async () => {
  name = `crash-${++count}`
  proxy = await startProxy(cluster().life, () => cluster().profile.addresses.registration)
})
afterEach(async () => {
  await lock.release()
  await agent.stop()
  const [service] = cluster().services['registration-service']
  if (service!.hasExited()) await cluster().restart('registration-service', 0)
})

/** Starts an agent with a single-use token; it reaches registration-service through the proxy. */
async function startJoining(): Promise<string> {
  const { value, id } = await cluster().operator.makeToken({ maxUses: 1 })
  tokenId = id
  agent = await startAgent(cluster(), { name, token: value, authServer: proxy.address })
  return value
}

async function killRegistration(): Promise<void> {
  const service = cluster().services['registration-service'][0]!
  service.kill('SIGKILL')
  await service.exited
}

async function one<T>(text: string, values: unknown[]): Promise<T | undefined> {
  return (await cluster().db.query(text, values)).rows[0] as T | undefined
}

function spend() {
  return one<{ node_id: string }>('select node_id from token.spends where token_id = $1', [tokenId])
}

function row() {
  return one<{ id: string; joined_at: Date | null }>(
    'select id, joined_at from registration.nodes where token_id = $1',
    [tokenId],
  )
}

function certificates(nodeId: string) {
  return one<{ count: number }>(
    `select count(*)::int as count from ca.certificates where spiffe_id like '%/node/' || $1`,
    [nodeId],
  )
}

/** The required end of every test here: one node, one spend, one join in the audit, on the roll and beating. */
async function expectOneNode(nodeId: string, joins = 1): Promise<void> {
  const { db, operator } = cluster()
  const counts = await db.query(
    `select (select count(*)::int from token.spends where token_id = $1) as spends,
            (select uses from token.tokens where id = $1) as uses,
            (select count(*)::int from registration.nodes where token_id = $1) as nodes,
            (select count(*)::int
               from registration.audit_events
              where token_id = $1 and action = 'node.join' and outcome = 'ok') as joins`,
    [tokenId],
  )
  expect(counts.rows).toEqual([{ spends: 1, uses: 1, nodes: 1, joins }])
  expect((await spend())!.node_id).toBe(nodeId)
  // The operator's own connection may still be waiting for its next attempt.
  const roll = await waitFor('the roll', () => operator.roll())
  const onRoll = roll.filter((node) => node.tokenId === tokenId)
  expect(onRoll.map(({ id }) => id)).toEqual([nodeId])
  await agent.line(/ online$/)
}

test('a join succeeds on retry when registration-service was killed after the spend', async () => {
  lock = await lockTable(cluster(), 'registration.nodes')
  await startJoining()
  await lock.someoneWaits('insert into nodes')
  const { node_id: nodeId } = (await spend())!
  await killRegistration()
  await lock.cut()
  expect(await row()).toBeUndefined()
  await cluster().restart('registration-service', 0)
  expect(await nodeIdOf(agent)).toBe(nodeId)
  await expectOneNode(nodeId)
})

test('a join succeeds on retry when registration-service was killed after it stored the node', async () => {
  lock = await lockTable(cluster(), 'ca.certificates')
  await startJoining()
  await lock.someoneWaits('insert into certificates')
  const { id: nodeId, joined_at: joinedAt } = (await row())!
  expect(joinedAt).toBeNull()
  expect(await cluster().operator.roll()).not.toContainEqual(expect.objectContaining({ id: nodeId }))
  await killRegistration()
  await lock.cut()
  await cluster().restart('registration-service', 0)
  expect(await nodeIdOf(agent)).toBe(nodeId)
  await expectOneNode(nodeId)
})

test('a join succeeds on retry when registration-service was killed after signing', async () => {
  lock = await lockTable(cluster(), 'registration.audit_events')
  await startJoining()
  await lock.someoneWaits('record_audit')
  const { id: nodeId } = (await row())!
  expect(await certificates(nodeId)).toEqual({ count: 1 })
  await killRegistration()
  await lock.cut()
  expect((await row())!.joined_at).toBeNull()
  await cluster().restart('registration-service', 0)
  expect(await nodeIdOf(agent)).toBe(nodeId)
  expect(await certificates(nodeId)).toEqual({ count: 2 })
  await expectOneNode(nodeId)
})

/** Joins up to the point where the node is on the roll and the reply is on its way, and will never arrive. */
async function loseReply(): Promise<{ nodeId: string; token: string }> {
  lock = await lockTable(cluster(), 'registration.nodes')
  const token = await startJoining()
  await lock.someoneWaits('insert into nodes')
  proxy.withholdAnswers()
  await lock.release()
  const joined = await waitFor('the node on the roll', async () => {
    const found = await row()
    return found?.joined_at && found
  })
  expect(agent.output()).not.toContain('Joined')
  return { nodeId: joined.id, token }
}

test('a join succeeds on retry when registration-service was killed before its reply', async () => {
  const { nodeId } = await loseReply()
  await killRegistration()
  proxy.passAnswers()
  await cluster().restart('registration-service', 0)
  expect(await nodeIdOf(agent)).toBe(nodeId)
  // The row was activated twice, and the audit has both.
  await expectOneNode(nodeId, 2)
})

test('an agent that was killed before the reply joins as the same node with the same data directory and token', async () => {
  const { nodeId, token } = await loseReply()
  agent.kill('SIGKILL')
  await agent.exit()
  proxy.passAnswers()
  agent = await startAgent(cluster(), { name, token, authServer: proxy.address })
  expect(await nodeIdOf(agent)).toBe(nodeId)
  await expectOneNode(nodeId, 2)
})
