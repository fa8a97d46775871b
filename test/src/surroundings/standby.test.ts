import path from 'node:path'
import { expect, test } from '@jest/globals'
import { portForServer, startStandby } from '@muster/testkit/failover'
import { nodeIdOf, startAgent } from '../harness/agent.ts'
import { useCluster } from '../harness/use-cluster.ts'
import { joinWithoutEnd } from './load.ts'

let standbyPort: number

const cluster = useCluster({
  durable: true,
  async besidePostgres() {
    standbyPort = await portForServer()
    // The first host never answers.
    return (url) =>
      `${url.replace(/@(127\.0\.0\.1:\d+)/, `@127.0.0.1:1,$1,127.0.0.1:${standbyPort}`)}?target_session_attrs=read-write`
  },
})

test('no answered join is lost when the primary is killed under joins and its synchronous standby is promoted', async () => {
  const { postgres, dataDir, life, operator, services } = cluster()
  const from = path.join(dataDir, 'postgres')
  const to = path.join(dataDir, 'standby')
  const standby = life.own('standby', await startStandby(postgres, { from, to, port: standbyPort }), (s) => s.stop())
  const processes = Object.values(services).flat()
  const { value: token, id: tokenId } = await operator.makeToken()
  const load = joinWithoutEnd(cluster(), 20, { token })
  await load.more(40)
  postgres.kill('SIGQUIT')
  await postgres.exited
  await standby.promote()
  await load.more(40)
  await load.stop()

  const { answered } = load
  const onRoll = (await operator.roll()).filter((node) => node.tokenId === tokenId)
  expect(new Set(onRoll.map(({ id }) => id))).toEqual(new Set(answered))
  expect(new Set(answered).size).toBe(answered.length)
  expect(processes.filter((service) => service.hasExited())).toEqual([])
  await cluster().healthy()
  const agent = await startAgent(cluster(), { name: 'after', token })
  await nodeIdOf(agent)
  expect(await agent.stop()).toBe(0)
})
