import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { systemClock } from '@muster/runtime'
import { createRedis, eventually, manualClock, testCluster, type TestRedis } from '@muster/testkit'
import { createLogger } from '@muster/service-kit'
import { randomUUID } from 'node:crypto'
import { HeartbeatPace } from './heartbeat-pace.ts'
import { selectNodesById } from './nodes.ts'
import type { Presence } from '../presence/presence.ts'
import { callRoll } from './roll-call.ts'
import { addNode, openPresence, openStore, type Store } from '../../test/support/service.ts'

const cluster = testCluster()
let store: Store
let redis: TestRedis

beforeAll(async () => {
  ;[store, redis] = await Promise.all([openStore(), createRedis()])
})
beforeEach(async () => {
  await redis.empty()
  await store.pool.query('truncate nodes')
})
afterAll(async () => {
  await redis.close()
  await store.close()
})

function pace(): HeartbeatPace {
  return new HeartbeatPace({ baseIntervalMs: 100, missedLimit: 2, beatsPerSecond: 10 })
}

const streams = { checkAll: async () => {} }

describe('the roll call', () => {
  test('of two replicas notices who fell silent though nobody asks, and keeps when it was last seen', async () => {
    const node = cluster.node()
    await addNode(store.pool, node)
    const clusterName = `${randomUUID()}.internal`
    const replicas = await Promise.all([openPresence(redis, clusterName), openPresence(redis, clusterName)])
    const lines: string[] = []
    const log = createLogger('test', 'info', { write: (line) => void lines.push(line) })
    const stop = new AbortController()
    const rounds = replicas.map((presence) =>
      callRoll({ pool: store.pool, presence, pace: pace(), streams, clock: systemClock, log }, stop.signal),
    )
    const heard: string[] = []
    replicas[1].on('changed', (id) => heard.push(id))
    replicas[0].beat(node.name, 200)
    await eventually('heard that it fell silent', () => heard.length === 2)
    await eventually('kept', async () => {
      const [stored] = await selectNodesById(store.pool, [node.name])
      return stored!.lastSeenAt !== undefined
    })
    await eventually('in the log', () => lines.some((line) => line.includes('node.offline')))
    stop.abort()
    await Promise.all(rounds)
    expect(heard).toEqual([node.name, node.name])
    for (const presence of replicas) presence.close()
  })

  test('measures the fleet for the pace', async () => {
    const presence = await openPresence(redis)
    const stop = new AbortController()
    const fleet = pace()
    const clock = manualClock()
    const log = createLogger('test', 'silent')
    const rounds = callRoll({ pool: store.pool, presence, pace: fleet, streams, clock, log }, stop.signal)
    for (let i = 0; i < 30; i++) presence.beat(randomUUID(), 60_000)
    await eventually('told of thirty', async () => {
      await clock.advance(1_000)
      return fleet.intervalMs === 3_000
    })
    stop.abort()
    await rounds
    presence.close()
  })

  test('goes on when Redis or Postgres is away, and ends when it is told to', async () => {
    let rounds = 0
    let isAway = true
    const presence = {
      sweep: async () => {
        rounds += 1
        if (isAway) throw new Error('Redis is away')
        return 0
      },
      drainGone: async () => {
        throw new Error('Postgres is away')
      },
    } as unknown as Presence
    const clock = manualClock()
    const stop = new AbortController()
    const log = createLogger('test', 'silent')
    const calling = callRoll({ pool: store.pool, presence, pace: pace(), streams, clock, log }, stop.signal)
    await eventually('tried again', async () => {
      await clock.advance(700)
      return rounds >= 3
    })
    isAway = false
    const before = rounds
    await eventually('going on', async () => {
      await clock.advance(700)
      return rounds >= before + 3
    })
    // Between three and six tenths of a second apart, and never at the same moment as another replica for long.
    for (const ms of clock.sleeps) {
      expect(ms).toBeGreaterThanOrEqual(375)
      expect(ms).toBeLessThanOrEqual(625)
    }
    stop.abort()
    await calling
  })

  test('has the heartbeat streams checked every minute, and clears away what is over', async () => {
    const joining = cluster.node()
    await addNode(store.pool, joining)
    await store.pool.query(`update nodes set joined_at = null, created_at = now() - interval '25 hours'`)
    let checks = 0
    const counting = { checkAll: async () => void (checks += 1) }
    const presence = await openPresence(redis)
    const clock = manualClock()
    const stop = new AbortController()
    const deps = {
      pool: store.pool,
      presence,
      pace: pace(),
      streams: counting,
      clock,
      log: createLogger('test', 'silent'),
    }
    const calling = callRoll(deps, stop.signal)
    await eventually('purged', async () => (await store.pool.query('select from nodes')).rowCount === 0)
    expect(checks).toBe(1)
    const startedAt = clock.now().getTime()
    await eventually('checked again', async () => {
      await clock.advance(1_000)
      return checks === 2
    })
    expect(clock.now().getTime() - startedAt).toBeGreaterThanOrEqual(59_000)
    stop.abort()
    await calling
    presence.close()
  })
})
