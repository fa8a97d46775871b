import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { beforeAll, expect } from '@jest/globals'
import { testInCi } from '@muster/testkit/tools'
import { registration } from '@muster/contracts'
import { dersFromPem, spkiPin } from '@muster/pki'
import { agentDir, nodeIdOf, startAgent } from '../harness/agent.ts'
import { musterctl, musterctlJson } from '../harness/musterctl.ts'
import type { Program } from '../harness/program.ts'
import { useCluster } from '../harness/use-cluster.ts'
import { waitFor } from '../harness/waiting.ts'

const NODES = 6
const cluster = useCluster({
  replicas: { 'ca-service': 2, 'registration-service': 2, 'token-service': 2 },
  env: { 'registration-service': { MUSTER_HEARTBEAT_INTERVAL_MS: '500' } },
})

interface Rotation {
  type: string
  phase: string
  pins: string[]
  rotated_at: string | null
  confirmations: { kind: string; confirmed: number; waiting: number }[]
}

const agents: Program[] = []
let token: string

beforeAll(async () => {
  token = (await cluster().operator.makeToken({ ttlSeconds: 3_600 })).value
  const started = Array.from({ length: NODES }, (_, index) => startAgent(cluster(), { name: `fleet-${index}`, token }))
  agents.push(...(await Promise.all(started)))
  await Promise.all(agents.map((agent) => nodeIdOf(agent)))
}, 60_000)

async function hostRotation(): Promise<Rotation> {
  const rotations = await musterctlJson<Rotation[]>(cluster(), ['auth', 'status'])
  return rotations.find(({ type }) => type === 'host')!
}

async function move(phase: string, ...flags: string[]): Promise<void> {
  const ran = await musterctl(cluster(), ['auth', 'rotate', '--type=host', '--manual', `--phase=${phase}`, ...flags])
  expect([ran.status, ran.stderr]).toEqual([0, ''])
}

async function confirmed(): Promise<void> {
  await waitFor('everyone to confirm', async () =>
    (await hostRotation()).confirmations.every(({ waiting }) => waiting === 0),
  )
}

/** Calls every service all the time. @returns what ends that, and says which calls failed */
function callAllTheTime(): () => Promise<{ calls: number; failures: string[] }> {
  const { operator } = cluster()
  const failures: string[] = []
  let calls = 0
  const over = cluster().life.own('calls', new AbortController(), (controller) => controller.abort())
  const repeat = async (call: () => Promise<unknown>) => {
    while (!over.signal.aborted) {
      await call().catch((error: Error) => failures.push(error.message))
      calls += 1
      await setTimeout(20)
    }
  }
  const running = [
    () => operator.roll(0),
    () => operator.roll(1),
    () => operator.listTokens(),
    () => operator.authority.listAuthorities({}),
  ].map(repeat)
  return async () => {
    over.abort()
    await Promise.all(running)
    return { calls, failures }
  }
}

/** Joins a machine of this name once. @returns exit status and output */
async function join(name: string, pins: readonly string[]): Promise<[number | null, string]> {
  const agent = await startAgent(cluster(), { name, token, pins, flags: ['--oneshot'] })
  const status = await agent.exit()
  // Its agent does not run on, so a rotation would wait for it until its certificate ends.
  if (status === 0) await musterctlJson(cluster(), ['nodes', 'rm', name])
  return [status, agent.output()]
}

async function pinsOnDisk(name: string): Promise<string[]> {
  return dersFromPem(await readFile(path.join(agentDir(cluster(), name), 'bundle.pem'), 'utf8')).map(spkiPin)
}

async function expectFleetUnharmed(): Promise<void> {
  const { NodeStatus } = registration
  await waitFor('every node online', async () => {
    const roll = (await cluster().operator.roll()).filter(({ hostname }) => hostname.startsWith('fleet-'))
    return roll.length === NODES && roll.every(({ status }) => status === NodeStatus.ONLINE)
  })
  for (const agent of agents) expect(agent.output()).not.toMatch(/cannot be reached|refused|not trusted/)
}

// A cluster with two replicas of each service, for a minute.
const testRotation = testInCi(true, 'nothing more')

testRotation(
  'a rotation goes through all phases by itself under calls, beats and joins, and no call fails and no agent restarts',
  async () => {
    const [old] = (await hostRotation()).pins
    const stop = callAllTheTime()
    const started = await musterctl(cluster(), ['auth', 'rotate', '--type=host', '--grace-period=10m'])
    expect(started.status).toBe(0)
    await waitFor('the end of the rotation', async () => (await hostRotation()).phase === 'standby')
    const { calls, failures } = await stop()
    expect(failures).toEqual([])
    expect(calls).toBeGreaterThan(20)
    await expectFleetUnharmed()

    const { pins, rotated_at: rotatedAt } = await hostRotation()
    expect([pins.length, pins.includes(old!), typeof rotatedAt]).toEqual([1, false, 'string'])
    for (const index of agents.keys()) {
      const name = `fleet-${index}`
      await waitFor('the new root on disk', async () => (await pinsOnDisk(name)).join() === pins[0])
      const [, issuing] = dersFromPem(await readFile(path.join(agentDir(cluster(), name), 'chain.pem'), 'utf8'))
      const [root] = dersFromPem(await readFile(path.join(agentDir(cluster(), name), 'bundle.pem'), 'utf8'))
      expect(new X509Certificate(issuing!).verify(new X509Certificate(root!).publicKey)).toBe(true)
    }
    const [status, output] = await join('late-with-the-old-pin', [old!])
    expect([status, output]).toEqual([4, expect.stringContaining('was rotated')])
    expect((await join('late-with-the-new-pin', pins))[0]).toBe(0)
  },
  180_000,
)

testRotation.each([[['init']], [['init', 'update_clients']], [['init', 'update_clients', 'update_servers']]])(
  'a rotation that is rolled back after %j leaves every member with the old authority, and either pin admits meanwhile',
  async (phases) => {
    const before = await hostRotation()
    const stop = callAllTheTime()
    for (const phase of phases) {
      await move(phase)
      await confirmed()
    }
    const { pins } = await hostRotation()
    for (const [index, pin] of pins.entries()) {
      expect([pin, ...(await join(`joined-${phases.length}-${index}`, [pin]))].slice(0, 2)).toEqual([pin, 0])
    }
    await move('rollback')
    await confirmed()
    await move('standby')
    expect((await stop()).failures).toEqual([])
    await expectFleetUnharmed()
    expect(await hostRotation()).toMatchObject({ phase: 'standby', pins: before.pins, rotated_at: before.rotated_at })
  },
  180_000,
)
