import { expect } from '@jest/globals'
import { registration } from '@muster/contracts'
import { settlePorts } from '@muster/local-cluster'
import { nodeIdOf, startAgent } from '../harness/agent.ts'
import { joinDirectly } from '../harness/joining.ts'
import { useCluster } from '../harness/use-cluster.ts'
import { waitFor } from '../harness/waiting.ts'
import { BALANCER, startHaproxy, startNginx } from './balancer.ts'
import { joinWithoutEnd } from './load.ts'
import { testWithHaproxy, testWithNginx } from './tools.ts'

const { NodeStatus } = registration

const cluster = useCluster({
  replicas: { 'registration-service': 3 },
  env: { 'registration-service': { MUSTER_PROXY_PROTOCOL_FROM: BALANCER } },
})

/** How many joins a replica has answered. */
async function joinsOf(diagnosticsAddress: string): Promise<number> {
  const text = await (await fetch(`http://${diagnosticsAddress}/metrics`)).text()
  const match = /^muster_rpc_duration_seconds_count\{(?=.*\/Register")(?=.*code="OK").*\} (\d+)$/m.exec(text)
  return Number(match?.[1] ?? 0)
}

async function killOneOf(replicas: readonly [number, number], start: typeof startHaproxy): Promise<void> {
  const { operator, services } = cluster()
  const [killed, kept] = replicas.map((i) => services['registration-service'][i]!)
  const [address] = (await settlePorts(['127.0.0.1:0'], new Set())) as [string]
  await start(cluster(), address, [killed!, kept!])

  const elsewhere = { allowCidrs: [`${BALANCER}/32`], allowHostnames: [] }
  const { value: forBalancer } = await operator.makeToken({ restrictions: elsewhere })
  await expect(joinDirectly(cluster(), { address, token: forBalancer })).rejects.toMatchObject({
    reason: 'TOKEN_RESTRICTED',
  })
  const here = { allowCidrs: ['127.0.0.1/32'], allowHostnames: [] }
  const { value: token, id: tokenId } = await operator.makeToken({ restrictions: here })
  const before = await Promise.all([killed!, kept!].map((replica) => joinsOf(replica.diagnosticsAddress)))
  for (let i = 0; i < 4; i++) await joinDirectly(cluster(), { address, token })
  const after = await Promise.all([killed!, kept!].map((replica) => joinsOf(replica.diagnosticsAddress)))
  expect(after.map((count, i) => count - before[i]!)).toEqual([2, 2])

  const agent = await startAgent(cluster(), { name: `behind-${start.name}`, token, authServer: address })
  const agentId = await nodeIdOf(agent)
  await agent.line(/ online$/)
  const load = joinWithoutEnd(cluster(), 10, { address, token })
  await load.more(20)
  killed!.kill('SIGKILL')
  await killed!.exited
  await load.more(20)
  await load.stop()
  const { answered } = load

  const roll = (await operator.roll(1)).filter((node) => node.tokenId === tokenId)
  expect(roll.map(({ id }) => id)).toEqual(expect.arrayContaining([...answered, agentId]))
  expect(new Set(answered).size).toBe(answered.length)
  expect(new Set(roll.map(({ remoteAddress }) => remoteAddress))).toEqual(new Set(['127.0.0.1']))
  await waitFor('the agent online by the other replica', async () => {
    const node = (await operator.roll(1)).find(({ id }) => id === agentId)
    return node?.status === NodeStatus.ONLINE
  })
  expect(await agent.stop()).toBe(0)
}

testWithHaproxy('no join behind HAProxy is lost when a replica is killed, and the address of the newcomer counts', () =>
  killOneOf([0, 1], startHaproxy),
)

testWithNginx('no join behind nginx is lost when a replica is killed, and the address of the newcomer counts', () =>
  killOneOf([2, 1], startNginx),
)
