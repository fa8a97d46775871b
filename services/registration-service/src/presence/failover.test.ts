import { randomUUID } from 'node:crypto'
import { afterEach, expect } from '@jest/globals'
import { Lifecycle } from '@muster/runtime'
import { eventually, silentLog } from '@muster/testkit'
import { redisProgram, type RedisServers, startRedisCluster, startSentinel } from '@muster/testkit/failover'
import { testInCi } from '@muster/testkit/tools'
import { RefusedAttempts } from '../entry/refused-attempts.ts'
import { Presence } from './presence.ts'

const OFFLINE_MS = 3_000
const BEAT_MS = 200
const testWithRedis = testInCi(redisProgram !== undefined, 'redis-server or valkey-server')

let life = new Lifecycle()
afterEach(async () => {
  await life.close()
  life = new Lifecycle()
})

function every(ms: number, work: () => unknown): void {
  life.own('timer', setInterval(work, ms), clearInterval)
}

/** Nodes beat at two replicas, the primary is killed, and no node that beats is called offline. */
async function loseThePrimary(start: () => Promise<RedisServers>): Promise<void> {
  const servers = life.own('servers', await start(), (s) => s.stop())
  const options = { redisUrl: servers.url, clusterName: `${randomUUID()}.internal`, log: silentLog }
  const [here, there] = [0, 1].map(() => life.own('presence', new Presence(options), (p) => p.close())) as [
    Presence,
    Presence,
  ]
  const attempts = [0, 1].map(() =>
    life.own('attempts', new RefusedAttempts({ ...options, perMinute: 1 }), (a) => a.close()),
  )
  let sources = 0
  const countTogether = async () => {
    const source = `10.0.0.${(sources += 1)}`
    await attempts[0]!.hit(source)
    return (await attempts[1]!.hit(source)) > 0
  }
  let resyncs = 0
  there.on('resync', () => (resyncs += 1))
  const beating = Array.from({ length: 20 }, () => randomUUID())
  const silent = randomUUID()
  every(BEAT_MS, () => {
    for (const id of beating) here.beat(id, OFFLINE_MS)
    for (const replica of [here, there]) replica.sweep(OFFLINE_MS).catch(() => {})
  })
  const view = () => there.view([...beating, silent], OFFLINE_MS)
  const isRight = async () => {
    const { available, tooEarly, online } = await view()
    return available && !tooEarly && online.size === beating.length
  }
  await eventually('the roll is right', isRight)
  here.beat(silent, 100)
  await eventually('a node fell silent', async () => (await view()).silent.has(silent))
  const resyncsBefore = resyncs
  await eventually('replicas count together', countTogether)

  let falselyOffline = 0
  every(50, async () => {
    const { available, tooEarly, online } = await view()
    if (available && !tooEarly && online.size < beating.length) falselyOffline += 1
  })
  await servers.killPrimary()
  await eventually('out of reach', async () => !(await here.view(beating, OFFLINE_MS)).available)
  await eventually('the roll is right again', isRight)
  expect(falselyOffline).toBe(0)
  expect((await view()).silent.has(silent)).toBe(true)
  // Followers start over, and hear what comes.
  await eventually('followers started over', () => resyncs > resyncsBefore)
  const heard: string[] = []
  there.on('changed', (id) => heard.push(id))
  const newcomer = randomUUID()
  await eventually('heard of the newcomer', () => {
    here.announce(newcomer)
    return heard.includes(newcomer)
  })
  await eventually('replicas count together again', countTogether)
}

testWithRedis(
  'behind Sentinel, the roll is right again after the primary was killed, and no node that beats was offline',
  () => loseThePrimary(startSentinel),
)

testWithRedis(
  'in a cluster of Redis, the roll is right again after the primary was killed, and no node that beats was offline',
  () => loseThePrimary(startRedisCluster),
)
