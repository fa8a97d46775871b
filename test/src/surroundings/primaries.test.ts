import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { expect } from '@jest/globals'
import { registration } from '@muster/contracts'
import { portForServer, redisProgram, type RedisServers, startSentinel, startStandby } from '@muster/testkit/failover'
import { testInCi } from '@muster/testkit/tools'
import { nodeIdOf, startAgent } from '../harness/agent.ts'
import { useCluster } from '../harness/use-cluster.ts'
import { waitFor } from '../harness/waiting.ts'
import { joinWithoutEnd } from './load.ts'

const { NodeStatus } = registration
const testWithRedis = testInCi(redisProgram !== undefined, 'redis-server or valkey-server')

const redisUrlFile = path.join(os.tmpdir(), `redis-url-${randomUUID()}`)
let redis: RedisServers
let standbyPort: number

const cluster = useCluster({
  durable: true,
  env: {
    'registration-service': {
      MUSTER_HEARTBEAT_INTERVAL_MS: '500',
      ...(redisProgram !== undefined && { MUSTER_REDIS_URL_FILE: redisUrlFile }),
    },
  },
  async besidePostgres(_postgres, life) {
    standbyPort = await portForServer()
    if (redisProgram !== undefined) {
      redis = life.own('Redis with Sentinel', await startSentinel(), (servers) => servers.stop())
      await writeFile(redisUrlFile, redis.url)
    }
    // The first host never answers.
    return (url) =>
      `${url.replace(/@(127\.0\.0\.1:\d+)/, `@127.0.0.1:1,$1,127.0.0.1:${standbyPort}`)}?target_session_attrs=read-write`
  },
})

testWithRedis(
  'no answered join is lost, and nodes are online, after the primaries of Postgres and Redis were killed under joins and beats',
  async () => {
    const { postgres, dataDir, life, operator, services } = cluster()
    const from = path.join(dataDir, 'postgres')
    const to = path.join(dataDir, 'standby')
    const standby = life.own('standby', await startStandby(postgres, { from, to, port: standbyPort }), (s) => s.stop())
    const processes = Object.values(services).flat()
    const { value: token, id: tokenId } = await operator.makeToken()
    const agent = await startAgent(cluster(), { name: 'beating', token })
    const nodeId = await nodeIdOf(agent)
    const load = joinWithoutEnd(cluster(), 20, { token })
    await load.more(40)
    postgres.kill('SIGQUIT')
    await Promise.all([postgres.exited, redis.killPrimary()])
    await standby.promote()
    await load.more(40)
    await load.stop()

    const { answered } = load
    const onRoll = (await operator.roll()).filter((node) => node.tokenId === tokenId)
    expect(new Set(onRoll.map(({ id }) => id))).toEqual(new Set([...answered, nodeId]))
    expect(new Set(answered).size).toBe(answered.length)
    await waitFor('the node online', async () => {
      const node = (await operator.roll()).find(({ id }) => id === nodeId)
      return node?.status === NodeStatus.ONLINE
    })
    expect(agent.hasExited()).toBe(false)
    expect(processes.filter((service) => service.hasExited())).toEqual([])
    await cluster().healthy()
    expect(await agent.stop()).toBe(0)
  },
)
