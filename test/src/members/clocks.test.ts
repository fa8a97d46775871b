import type { ServiceName } from '@muster/domain'
import { expect, test } from '@jest/globals'
import { nodeIdOf, startAgent } from '../harness/agent.ts'
import { useCluster } from '../harness/use-cluster.ts'
import { joinDirectly } from '../harness/joining.ts'
import { logIn } from '../harness/login.ts'
import { shiftedClock } from '../harness/shifted-clock.ts'
import { runTool } from '../harness/tool.ts'
import { waitFor } from '../harness/waiting.ts'

const TWO_MINUTES_MS = 120_000

// Variables added here apply from the next restart of the service.
const env: Record<ServiceName, Record<string, string>> = {
  'ca-service': {},
  'token-service': {},
  'registration-service': { MUSTER_HEARTBEAT_INTERVAL_MS: '500' },
  'web-service': {},
}
const cluster = useCluster({ env })

const SHIFTS = [
  ['ahead', TWO_MINUTES_MS],
  ['behind', -TWO_MINUTES_MS],
] as const

/** Resolves once the other services and the operator are connected to the restarted service. */
async function found(): Promise<void> {
  await cluster().healthy()
  await waitFor('a join', async () => joinDirectly(cluster(), { token: (await cluster().operator.makeToken()).value }))
}

/** A node joins and beats, a person signs up and looks, tokens end when they should: by clocks of these people's own. */
async function expectAllToWork(name: string, clock: Record<string, string> = {}): Promise<void> {
  const { operator } = cluster()
  // A clock that is two minutes off would judge both wrongly.
  const longer = await operator.makeToken({ ttlSeconds: 100 })
  const shorter = await operator.makeToken({ ttlSeconds: 1 })
  const agent = await startAgent(cluster(), { name, token: longer.value, env: clock })
  const nodeId = await nodeIdOf(agent)
  await agent.line(/ online$/)
  const desk = await logIn(cluster(), name, 'operator', clock)
  // Each service has one to answer: people are looked up at registration-service by the other two.
  expect(await desk.musterctl(['tokens', 'ls'])).toMatchObject({ status: 0, stderr: '' })
  expect(await desk.musterctl(['status'])).toMatchObject({ status: 0, stderr: '' })
  const { status, stdout, stderr } = await desk.musterctl(['nodes', 'ls', '--format=json'])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  const nodes = JSON.parse(stdout) as { id: string; status: string; last_seen_at: string }[]
  expect(nodes.find(({ id }) => id === nodeId)).toMatchObject({ status: 'online' })

  await waitFor(
    'the shorter token to end',
    async () => !(await operator.listTokens()).some(({ id }) => id === shorter.id),
  )
  await expect(joinDirectly(cluster(), { token: shorter.value })).rejects.toMatchObject({ reason: 'TOKEN_EXPIRED' })
  await joinDirectly(cluster(), { token: longer.value })
  expect(agent.lines.filter((line) => / (?:warn|error) /.test(line))).toEqual([])
  expect(await agent.stop()).toBe(0)
}

test('the preload shifts the clock of its process and changes nothing else', async () => {
  const read = async (shift: Record<string, string>) => {
    const script = `console.log(Date.now() + ' ' + new Date().getTime() + ' ' + new Date(5).getTime())`
    const { stdout } = await runTool(process.execPath, ['-e', script], { env: { ...process.env, ...shift } })
    return stdout
      .trim()
      .split(' ')
      .map((text) => Number(text) - Date.now())
  }
  for (const [, byMs] of SHIFTS) {
    const [now, created, given] = await read(shiftedClock(byMs))
    for (const seen of [now!, created!]) expect(Math.abs(seen - byMs)).toBeLessThan(10_000)
    expect(given).toBeLessThan(-TWO_MINUTES_MS)
  }
})

test.each(
  (['ca-service', 'token-service', 'registration-service'] as const).flatMap((program) =>
    SHIFTS.map(([where, byMs]) => [program, where, byMs] as const),
  ),
)(
  'with the clock of %s two minutes %s, nodes join and beat, people sign up, and tokens end when they should',
  async (program, where, byMs) => {
    const own = { ...env[program] }
    Object.assign(env[program], shiftedClock(byMs))
    try {
      await cluster().restart(program, 0)
      await found()
      await expectAllToWork(`${program}-${where}`)
    } finally {
      delete env[program]['NODE_OPTIONS']
      Object.assign(env[program], own)
      await cluster().restart(program, 0)
      await found()
    }
  },
)

test.each(SHIFTS)(
  'a machine whose clock is two minutes %s joins and beats, and a person signs up there',
  async (where, byMs) => {
    await expectAllToWork(`machine-${where}`, shiftedClock(byMs))
  },
)
