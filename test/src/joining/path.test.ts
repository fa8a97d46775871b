import { readFile, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { registration } from '@muster/contracts'
import { expect, test } from '@jest/globals'
import { agentDir, nodeIdOf, startAgent } from '../harness/agent.ts'
import { useCluster } from '../harness/use-cluster.ts'
import { musterctl, pastedFlags } from '../harness/musterctl.ts'
import { commandLine } from '../harness/processes.ts'
import { startProgram } from '../harness/program.ts'
import { programFile } from '../harness/programs.ts'
import { waitFor } from '../harness/waiting.ts'

const { NodeStatus } = registration
const INTERVAL_MS = 1_000
const MISSED_LIMIT = 3

const cluster = useCluster({
  replicas: { 'registration-service': 2 },
  env: { 'registration-service': { MUSTER_HEARTBEAT_INTERVAL_MS: String(INTERVAL_MS) } },
})

async function nodeOnRoll(id: string, replica = 0): Promise<registration.Node | undefined> {
  return (await cluster().operator.roll(replica)).find((node) => node.id === id)
}

function online(id: string): Promise<registration.Node> {
  return waitFor(`node ${id} online`, async () => {
    const node = await nodeOnRoll(id)
    return node?.status === NodeStatus.ONLINE && node
  })
}

/** Waits until the node has sent a beat since then. */
async function onlineAgain(id: string, since: number): Promise<void> {
  const look = async () => {
    const node = await nodeOnRoll(id)
    return node?.status === NodeStatus.ONLINE && node.lastSeenAt!.getTime() >= since
  }
  await waitFor(`node ${id} online again`, look)
}

interface RollEntry {
  id: string
  hostname: string
  status: string
}

async function rollByCli(): Promise<RollEntry[]> {
  const { status, stdout } = await musterctl(cluster(), ['nodes', 'ls', '--format=json'])
  expect(status).toBe(0)
  return JSON.parse(stdout) as RollEntry[]
}

test('a machine joins by the command that musterctl prints, is online, and comes back after a stop without a token', async () => {
  const added = await musterctl(cluster(), ['tokens', 'add', '--type=node', '--ttl=5m'])
  expect(added).toMatchObject({ status: 0, stderr: '' })
  const dataDir = `--data-dir=${agentDir(cluster(), 'path')}`
  const own = [dataDir, '--nodename=path', '--labels=rack=7,env=test', '--advertise-ip=192.0.2.7']
  const agentFile = programFile('muster')
  const first = startProgram(cluster().life, agentFile, ['start', ...pastedFlags(added.stdout), ...own])
  const nodeId = await nodeIdOf(first)
  const node = await online(nodeId)
  expect(node).toMatchObject({
    hostname: 'path',
    roles: ['node'],
    labels: { rack: '7', env: 'test', hostname: 'path' },
    advertisedAddress: '192.0.2.7',
  })
  expect(added.stdout).toContain(node.tokenId)
  expect(await rollByCli()).toEqual([expect.objectContaining({ id: nodeId, hostname: 'path', status: 'online' })])
  expect(await first.stop()).toBe(0)

  const second = startProgram(cluster().life, agentFile, ['start', ...own])
  expect(await nodeIdOf(second)).toBe(nodeId)
  await onlineAgain(nodeId, Date.now())
  expect(await rollByCli()).toHaveLength(1)
  expect(await second.stop()).toBe(0)
})

test('a killed agent turns offline with its last-seen time, though nobody lists the roll, and online when it is back', async () => {
  const { value } = await cluster().operator.makeToken()
  const first = await startAgent(cluster(), { name: 'killed', token: value })
  const nodeId = await nodeIdOf(first)
  await online(nodeId)

  // The agent beats at the first replica; the second one informs its watchers too.
  const stop = new AbortController()
  const seen: registration.Node[] = []
  const watching = (async () => {
    for await (const { event } of cluster().operator.watch(stop.signal, 1)) {
      if (event?.$case === 'node' && event.value.id === nodeId) seen.push(event.value)
    }
  })()
  await waitFor('the snapshot', () => seen.some(({ status }) => status === NodeStatus.ONLINE))
  first.kill('SIGKILL')
  const killedAt = Date.now()
  const gone = await waitFor('offline on the watch', () => seen.find(({ status }) => status === NodeStatus.OFFLINE))
  expect(Date.now() - killedAt).toBeLessThan(INTERVAL_MS * MISSED_LIMIT + 20_000)
  const lastSeenAt = gone.lastSeenAt!.getTime()
  expect(Math.abs(lastSeenAt - killedAt)).toBeLessThan(INTERVAL_MS + 5_000)
  // The time is stored in the node's row, not only in Redis.
  await waitFor('last_seen_at in the row', async () => {
    const { rows } = await cluster().db.query('select last_seen_at from registration.nodes where id = $1', [nodeId])
    return rows[0].last_seen_at.getTime() === lastSeenAt
  })
  for (const replica of [0, 1]) {
    expect(await nodeOnRoll(nodeId, replica)).toMatchObject({ status: NodeStatus.OFFLINE, lastSeenAt: gone.lastSeenAt })
  }

  expect(await rollByCli()).toContainEqual(expect.objectContaining({ id: nodeId, status: 'offline' }))

  const second = await startAgent(cluster(), { name: 'killed' })
  expect(await nodeIdOf(second)).toBe(nodeId)
  await onlineAgain(nodeId, Date.now())
  await waitFor('online on the watch', () => seen.at(-1)?.status === NodeStatus.ONLINE)
  stop.abort()
  await watching
  expect(await second.stop()).toBe(0)
})

test('an agent with a token in a file and one right pin of several joins, and the token is not on its command line', async () => {
  const { value } = await cluster().operator.makeToken({ maxUses: 1 })
  const file = path.join(cluster().dataDir, 'token-by-file')
  await writeFile(file, `${value}\n`, { mode: 0o600 })
  const pins = [`sha256:${'0'.repeat(64)}`, ...cluster().profile.caPins, `sha256:${'f'.repeat(64)}`]
  const agent = await startAgent(cluster(), { name: 'by-file', token: file, pins })
  expect(commandLine(agent.pid)).not.toContain(value)
  await online(await nodeIdOf(agent))
  expect(await agent.stop()).toBe(0)
  expect(agent.output()).not.toContain(value)
})

test('a token given by value disappears from the command line of a running agent', async () => {
  const { value } = await cluster().operator.makeToken({ maxUses: 1 })
  const agent = await startAgent(cluster(), { name: 'by-value', token: value })
  await online(await nodeIdOf(agent))
  expect(commandLine(agent.pid)).not.toContain(value)
  expect(await agent.stop()).toBe(0)
})

test('the private key of an agent and its folder can be read by their owner only', async () => {
  const { value } = await cluster().operator.makeToken({ maxUses: 1 })
  const agent = await startAgent(cluster(), { name: 'modes', token: value })
  await nodeIdOf(agent)
  const dir = agentDir(cluster(), 'modes')
  expect((await stat(dir)).mode & 0o777).toBe(0o700)
  expect((await stat(path.join(dir, 'key.pem'))).mode & 0o777).toBe(0o600)
  expect(await readFile(path.join(dir, 'profile.json'), 'utf8')).not.toContain(value)
  expect(await agent.stop()).toBe(0)
})
