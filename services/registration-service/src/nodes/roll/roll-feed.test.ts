import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type pg from 'pg'
import { createRedis, eventually, manualClock, testCluster, type TestRedis } from '@muster/testkit'
import type { Presence } from '../../presence/presence.ts'
import { HeartbeatPace } from '../heartbeat-pace.ts'
import { type RollChanges, RollFeed } from './roll-feed.ts'
import { addNode, openPresence, openStore, type Store } from '../../../test/support/service.ts'

const cluster = testCluster()
let store: Store
let redis: TestRedis
let presence: Presence
let queries = 0
let beforeAnswer: () => unknown = () => {}
let feed: RollFeed

beforeAll(async () => {
  ;[store, redis] = await Promise.all([openStore(), createRedis()])
  presence = await openPresence(redis)
})
beforeEach(async () => {
  await store.pool.query('truncate nodes')
  queries = 0
  beforeAnswer = () => {}
  const query = async (text: string, values: unknown[]) => {
    queries += 1
    const answer = await store.pool.query(text, values)
    await beforeAnswer()
    return answer
  }
  const pace = new HeartbeatPace({ baseIntervalMs: 5_000, missedLimit: 3, beatsPerSecond: 2_000 })
  feed = new RollFeed({
    pool: { query } as pg.Pool,
    presence,
    pace,
    clock: manualClock(),
    minimumAgentVersion: '0.0.0',
  })
})
afterAll(async () => {
  presence.close()
  await redis.close()
  await store.close()
})

/** Follows, and keeps what it is told. */
function follow() {
  const told: (RollChanges | string)[] = []
  const unfollow = feed.follow({
    onChanges: (changes) => told.push(changes),
    onResync: () => told.push('resync'),
    onError: (error) => told.push(String(error)),
  })
  return { told, unfollow }
}

async function addNodes(count: number): Promise<string[]> {
  const members = Array.from({ length: count }, () => cluster.node())
  for (const member of members) await addNode(store.pool, member)
  return members.map(({ name }) => name)
}

describe('the feed of the roll', () => {
  test('the feed of the roll looks a change up once for all its followers', async () => {
    const [id] = await addNodes(1)
    const followers = Array.from({ length: 50 }, follow)
    presence.emit('changed', id!)
    await eventually('told', () => followers.every(({ told }) => told.length === 1))
    expect(queries).toBe(1)
    for (const { told, unfollow } of followers) {
      expect((told[0] as RollChanges).get(id!)?.id).toBe(id)
      unfollow()
    }
  })

  test('the feed of the roll looks up in one batch what changed while it looked up something else', async () => {
    const ids = await addNodes(20)
    const { told, unfollow } = follow()
    let release = () => {}
    beforeAnswer = () => new Promise<void>((resolve) => (release = resolve))
    presence.emit('changed', ids[0]!)
    await eventually('asked', () => queries === 1)
    for (const id of [...ids.slice(1), ...ids.slice(1)]) presence.emit('changed', id)
    beforeAnswer = () => {}
    release()
    await eventually('told', () => told.length === 2)
    expect((told[1] as RollChanges).size).toBe(19)
    expect(queries).toBe(2)
    unfollow()
  })

  test('the feed of the roll drops a look-up from before a resync, which may be older than what its followers read then', async () => {
    const [id] = await addNodes(1)
    const { told, unfollow } = follow()
    beforeAnswer = () => presence.emit('resync')
    presence.emit('changed', id!)
    await eventually('told', () => told.length === 1)
    beforeAnswer = () => {}
    presence.emit('changed', id!)
    await eventually('told again', () => told.length === 2)
    expect(told[0]).toBe('resync')
    expect(queries).toBe(2)
    unfollow()
  })

  test('the feed of the roll tells its followers that a look-up failed, and goes on', async () => {
    const [id] = await addNodes(1)
    const { told, unfollow } = follow()
    beforeAnswer = () => {
      throw new Error('the database is away')
    }
    presence.emit('changed', id!)
    await eventually('told', () => told.length === 1)
    beforeAnswer = () => {}
    presence.emit('changed', id!)
    await eventually('told again', () => told.length === 2)
    expect(told[0]).toContain('the database is away')
    unfollow()
  })

  test('the feed of the roll listens only while it has followers', () => {
    const before = presence.listenerCount('changed')
    const followers = [follow(), follow()]
    expect(presence.listenerCount('changed')).toBe(before + 1)
    for (const { unfollow } of followers) unfollow()
    expect(presence.listenerCount('changed')).toBe(before)
    expect(queries).toBe(0)
  })
})
