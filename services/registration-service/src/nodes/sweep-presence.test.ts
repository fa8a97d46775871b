import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { type Background, Lifecycle, systemClock } from '@muster/runtime'
import { createRedis, eventually, manualClock, testCluster, type TestRedis } from '@muster/testkit'
import { createLogger } from '@muster/service-kit'
import { randomUUID } from 'node:crypto'
import { HeartbeatPace } from './heartbeat-pace.ts'
import { selectNodesById } from './store/roll-queries.ts'
import type { Presence } from '../presence/presence.ts'
import { sweepPresence } from './sweep-presence.ts'
import { addNode, openPresence, openStore, silentLog, type Store } from '../../test/support/service.ts'

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

const streams = { checkAll: async () => {}, recheck: async () => {} }

/** Runs the sweeps until `life` closes; failed rounds are in `failed`. */
function openBackground(overrides: Partial<Background> = {}) {
  const failed: string[] = []
  const failures = { inc: ({ task }: { task: string }, by = 1) => void failed.push(...Array<string>(by).fill(task)) }
  return { clock: systemClock, log: silentLog, life: new Lifecycle(), failures, failed, ...overrides }
}

describe('the presence sweep', () => {
  test('the presence sweep on two replicas notices a silent node without a watcher, and stores when it was last seen', async () => {
    const node = cluster.node()
    await addNode(store.pool, node)
    const clusterName = `${randomUUID()}.internal`
    const replicas = await Promise.all([openPresence(redis, clusterName), openPresence(redis, clusterName)])
    const lines: string[] = []
    const log = createLogger('test', 'info', { write: (line) => void lines.push(line) })
    const background = openBackground({ log })
    for (const presence of replicas)
      sweepPresence({ pool: store.pool, presence, pace: pace(), streams, recoveryWindowSeconds: 0 }, background)
    const heard: string[] = []
    replicas[1].on('changed', (id) => heard.push(id))
    replicas[0].beat(node.name, 200)
    await eventually('heard that it fell silent', () => heard.length === 2)
    await eventually('kept', async () => {
      const [stored] = await selectNodesById(store.pool, [node.name])
      return stored!.lastSeenAt !== undefined
    })
    await eventually('in the log', () => lines.some((line) => line.includes('node.offline')))
    await background.life.close()
    expect(heard).toEqual([node.name, node.name])
    for (const presence of replicas) presence.close()
  })

  test('the presence sweep measures the fleet for the pace', async () => {
    const presence = await openPresence(redis)
    const fleet = pace()
    const clock = manualClock()
    const background = openBackground({ clock })
    sweepPresence({ pool: store.pool, presence, pace: fleet, streams, recoveryWindowSeconds: 0 }, background)
    for (let i = 0; i < 30; i++) presence.beat(randomUUID(), 60_000)
    await eventually('told of thirty', async () => {
      await clock.advance(1_000)
      return fleet.intervalMs === 3_000
    })
    await background.life.close()
    presence.close()
  })

  test('the presence sweep continues while Redis or Postgres is away, counts its failed rounds, and ends with the service', async () => {
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
    const background = openBackground({ clock })
    sweepPresence({ pool: store.pool, presence, pace: pace(), streams, recoveryWindowSeconds: 0 }, background)
    await eventually('tried again', async () => {
      await clock.advance(700)
      return rounds >= 3
    })
    expect(background.failed).toContain('presence-sweep')
    isAway = false
    const before = rounds
    await eventually('going on', async () => {
      await clock.advance(700)
      return rounds >= before + 3
    })
    // Between three and six tenths of a second apart, and never at the same moment as another replica for long.
    for (const ms of clock.sleeps.filter((slept) => slept < 60_000)) {
      expect(ms).toBeGreaterThanOrEqual(375)
      expect(ms).toBeLessThanOrEqual(625)
    }
    await background.life.close()
  })

  test('the presence sweep checks the heartbeat streams every minute, and deletes joins that never finished', async () => {
    const joining = cluster.node()
    await addNode(store.pool, joining)
    await store.pool.query(`update nodes set joined_at = null, created_at = now() - interval '25 hours'`)
    let checks = 0
    const counting = { ...streams, checkAll: async () => void (checks += 1) }
    const presence = await openPresence(redis)
    const clock = manualClock()
    const background = openBackground({ clock })
    sweepPresence({ pool: store.pool, presence, pace: pace(), streams: counting, recoveryWindowSeconds: 0 }, background)
    await eventually('purged', async () => (await store.pool.query('select from nodes')).rowCount === 0)
    expect(checks).toBe(1)
    const startedAt = clock.now().getTime()
    await eventually('checked again', async () => {
      await clock.advance(1_000)
      return checks === 2
    })
    expect(clock.now().getTime() - startedAt).toBeGreaterThanOrEqual(59_000)
    await background.life.close()
    presence.close()
  })
})
