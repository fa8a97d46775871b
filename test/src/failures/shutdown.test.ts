import type { ServiceProcess } from '@muster/local-cluster'
import { registration } from '@muster/contracts'
import { AppError } from '@muster/domain'
import { afterEach, expect, test } from '@jest/globals'
import { nodeIdOf, startAgent } from '../harness/agent.ts'
import { useCluster } from '../harness/use-cluster.ts'
import { joinDirectly } from '../harness/joining.ts'
import { lockTable, type TableLock } from '../harness/table-lock.ts'
import { waitFor } from '../harness/waiting.ts'

const DRAIN_MS = 2_000
/** Time for everything else that closes, on a busy machine. A call that hangs would never end. */
const MARGIN_MS = 20_000

const cluster = useCluster({
  env: { 'registration-service': { MUSTER_DRAIN_TIMEOUT_MS: String(DRAIN_MS), MUSTER_HEARTBEAT_INTERVAL_MS: '500' } },
})

let lock: TableLock | undefined

afterEach(async () => {
  await lock?.release()
  lock = undefined
  if (service().hasExited()) await cluster().restart('registration-service', 0)
})

function service(): ServiceProcess {
  return cluster().services['registration-service'][0]!
}

async function exitStatus(process: ServiceProcess, limitMs: number): Promise<number | null> {
  await waitFor('the end of the service', () => process.hasExited(), { limitMs, everyMs: 10 })
  return process.exitCode()
}

/** A join without an answer: its statement waits for a table that stays locked. */
async function hangAJoin(): Promise<{ answer: Promise<unknown> }> {
  const { value } = await cluster().operator.makeToken()
  lock = await lockTable(cluster(), 'registration.nodes')
  const answer = joinDirectly(cluster(), { token: value }).catch((error: unknown) => error)
  await lock.someoneWaits('insert into nodes')
  return { answer }
}

test('SIGTERM ends a service that has open streams in order, and agents reconnect to its successor', async () => {
  const { value } = await cluster().operator.makeToken()
  const agent = await startAgent(cluster(), { name: 'drained', token: value })
  const nodeId = await nodeIdOf(agent)
  const seen: registration.NodeStatus[] = []
  const watching = (async () => {
    for await (const { event } of cluster().operator.watch(new AbortController().signal)) {
      if (event?.$case === 'node') seen.push(event.value.status)
    }
  })().catch((error: unknown) => error)
  await waitFor('the node online on the watch', () => seen.includes(registration.NodeStatus.ONLINE))

  service().kill('SIGTERM')
  expect(await exitStatus(service(), DRAIN_MS + MARGIN_MS)).toBe(0)
  expect(await watching).toMatchObject({ name: AppError.name, kind: 'unavailable' })
  expect(agent.hasExited()).toBe(false)

  const restartedAt = Date.now()
  await cluster().restart('registration-service', 0)
  await waitFor('the node heard of again', async () => {
    const node = (await cluster().operator.roll()).find(({ id }) => id === nodeId)
    return node?.lastSeenAt !== undefined && node.lastSeenAt.getTime() > restartedAt
  })
  expect(await agent.stop()).toBe(0)
})

test('SIGTERM ends a service within the drain limit although a call hangs', async () => {
  const { answer } = await hangAJoin()
  const stopped = service()
  stopped.kill('SIGTERM')
  expect(await exitStatus(stopped, DRAIN_MS + MARGIN_MS)).toBe(0)
  expect(await answer).toMatchObject({ kind: 'unavailable' })
})

test('a second SIGTERM ends a service at once with 130', async () => {
  const { answer } = await hangAJoin()
  const stopped = service()
  stopped.kill('SIGTERM')
  await waitFor('the service stopping', async () =>
    (await cluster().serviceLog('registration-service')).includes(
      `"pid":${stopped.pid},"name":"registration-service","event":"service.stopping"`,
    ),
  )
  expect(stopped.hasExited()).toBe(false)
  stopped.kill('SIGTERM')
  // Not 0, with which it would end by itself.
  expect(await exitStatus(stopped, MARGIN_MS)).toBe(130)
  expect(await answer).toMatchObject({ kind: 'unavailable' })
})
