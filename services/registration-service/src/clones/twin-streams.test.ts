import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { createRedis, eventually, type TestRedis } from '@muster/testkit'
import { openPresence } from '../../test/support/service.ts'
import type { Presence, StreamNews } from '../presence/presence.ts'
import { TwinStreams, type Twins } from './twin-streams.ts'

const INTERVAL_MS = 5_000
let redis: TestRedis
let replicas: { presence: Presence; twins: TwinStreams }[]
let now = 0
let found: Twins[]
let nodeId: string

beforeAll(async () => {
  redis = await createRedis()
  const clusterName = `${randomUUID()}.internal`
  replicas = await Promise.all(
    [0, 1].map(async () => {
      const presence = await openPresence(redis, clusterName)
      return { presence, twins: new TwinStreams({ presence, onTwins: (twins) => found.push(twins), now: () => now }) }
    }),
  )
})
beforeEach(() => {
  found = []
  nodeId = randomUUID()
})
afterAll(async () => {
  for (const { presence, twins } of replicas) {
    twins.close()
    presence.close()
  }
  await redis.close()
})

/** A stream that has begun, of which every replica has heard. */
async function begin(replica: number, remoteAddress: string) {
  const stream = replicas[replica]!.twins.add({ nodeId, actor: `spiffe://c/node/${nodeId}`, remoteAddress })
  await told(() => stream.greeted())
  const beat = () => stream.beat(INTERVAL_MS)
  return { beat, leave: stream.leave }
}

/** Waits until the other replica has heard what a call tells. */
async function told(call: () => void): Promise<void> {
  let heard = 0
  const listener = (news: StreamNews) => void (heard += news.nodeId === nodeId ? 1 : 0)
  for (const { presence } of replicas) presence.on('stream', listener)
  call()
  // Both from Redis, and the sender from itself.
  await eventually('heard by all', () => heard === 3)
  for (const { presence } of replicas) presence.off('stream', listener)
}

/** One interval in which each of these streams sends a beat. */
function interval(...streams: { beat: () => void }[]): void {
  now += INTERVAL_MS
  for (const { beat } of streams) beat()
}

describe('two streams of one node', () => {
  test.each([
    ['on one replica', 0],
    ['on two replicas', 1],
  ])('two streams %s that both send beats are found, with both addresses', async (_where, replica) => {
    const older = await begin(0, '192.0.2.1')
    const newer = await begin(replica, '192.0.2.2')
    interval(older, newer)
    interval(older, newer)
    expect(found).toEqual([])
    await told(() => interval(older))
    interval(newer)
    expect(found).toEqual([{ nodeId, actor: `spiffe://c/node/${nodeId}`, remoteAddresses: ['192.0.2.2', '192.0.2.1'] }])
    interval(older, newer)
    expect(found).toHaveLength(1)
    older.leave()
    newer.leave()
  })

  test('a stream that broke and then delivers in one burst what was on its way is no sign', async () => {
    // On one replica, which hears of its own streams at once.
    const broken = await begin(0, '192.0.2.1')
    const newer = await begin(0, '192.0.2.2')
    now += INTERVAL_MS
    for (let i = 0; i < 5; i++) broken.beat()
    interval(newer)
    interval(newer)
    interval(newer)
    expect(found).toEqual([])
    broken.leave()
    newer.leave()
  })

  test('a stream that has ended is no sign, even if a replica hears of the older one late', async () => {
    const older = await begin(0, '192.0.2.1')
    const newer = await begin(1, '192.0.2.2')
    older.leave()
    replicas[1]!.presence.emit('stream', { nodeId, streamId: 'late', remoteAddress: '192.0.2.1', news: 'begun' })
    for (let i = 0; i < 4; i++) interval(newer)
    expect(found).toEqual([])
    newer.leave()
  })

  test('streams of two nodes are no sign', async () => {
    const one = await begin(0, '192.0.2.1')
    nodeId = randomUUID()
    const other = await begin(0, '192.0.2.1')
    for (let i = 0; i < 5; i++) interval(one, other)
    expect(found).toEqual([])
    one.leave()
    other.leave()
  })
})
