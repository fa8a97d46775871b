import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { testCluster } from '@muster/testkit'
import { randomUUID } from 'node:crypto'
import {
  activateNode,
  purgeUnfinishedJoins,
  recordHello,
  recordJoiningNode,
  recordLastSeen,
  selectNodes,
  selectNodesById,
  type JoiningNode,
} from './nodes.ts'
import { addNode, openStore, type Store } from './test-support.ts'

const cluster = testCluster()
let store: Store

beforeAll(async () => {
  store = await openStore()
})
beforeEach(async () => {
  await store.pool.query('truncate nodes, audit_events')
})
afterAll(async () => {
  await store.close()
})

function joining(overrides: Partial<JoiningNode> = {}): JoiningNode {
  return {
    id: randomUUID(),
    hostname: 'web-1',
    roles: ['node'],
    labels: { env: 'prod' },
    version: '1',
    advertisedAddress: '',
    remoteAddress: '10.0.0.1',
    tokenId: 'abcdefghij',
    keyFingerprint: Buffer.alloc(32),
    nodeLabels: {},
    ...overrides,
  }
}

const inAnHour = () => new Date(Date.now() + 3_600_000)

async function roll() {
  return selectNodes(store.pool, { size: 1_000, after: undefined })
}

describe('a join', () => {
  test('is not on the roll until it is complete', async () => {
    const node = joining()
    await recordJoiningNode(store.pool, node)
    expect(await roll()).toEqual([])
    expect(await selectNodesById(store.pool, [node.id])).toEqual([])
    await activateNode(store.pool, node.id, 'aa', inAnHour())
    expect(await roll()).toMatchObject([{ id: node.id, hostname: 'web-1', labels: { env: 'prod' }, roles: ['node'] }])
  })

  test('that is repeated brings the row up to date and keeps when it was first complete', async () => {
    const node = joining()
    await recordJoiningNode(store.pool, node)
    await activateNode(store.pool, node.id, 'aa', inAnHour())
    const [first] = await roll()
    await recordJoiningNode(store.pool, { ...node, hostname: 'web-2', labels: {} })
    await activateNode(store.pool, node.id, 'bb', inAnHour())
    const [second, ...others] = await roll()
    expect(others).toEqual([])
    expect(second).toMatchObject({ hostname: 'web-2', labels: {}, joinedAt: first!.joinedAt })
    const { rows } = await store.pool.query('select certificate_serial, previous_serial from nodes')
    expect(rows).toEqual([{ certificate_serial: 'bb', previous_serial: 'aa' }])
  })

  test('and its audit event stand or fall together', async () => {
    const node = joining()
    await recordJoiningNode(store.pool, node)
    await store.pool.query('alter table audit_events add constraint full_disk check (false) not valid')
    try {
      await expect(activateNode(store.pool, node.id, 'aa', inAnHour())).rejects.toThrow('full_disk')
      expect(await roll()).toEqual([])
    } finally {
      await store.pool.query('alter table audit_events drop constraint full_disk')
    }
    await activateNode(store.pool, node.id, 'aa', inAnHour())
    const { rows } = await store.pool.query('select action, outcome, node_id, token_id from audit_events')
    expect(rows).toEqual([{ action: 'node.join', outcome: 'ok', node_id: node.id, token_id: 'abcdefghij' }])
    expect(await roll()).toHaveLength(1)
  })

  test('that was begun over a day ago and never finished is forgotten', async () => {
    const [old, young, complete] = [joining(), joining(), joining()]
    for (const node of [old, young, complete]) await recordJoiningNode(store.pool, node)
    await activateNode(store.pool, complete.id, 'aa', inAnHour())
    await store.pool.query(`update nodes set created_at = now() - interval '25 hours' where id <> $1`, [young.id])
    expect(await purgeUnfinishedJoins(store.pool)).toBe(1)
    const { rows } = await store.pool.query<{ id: string }>('select id from nodes')
    expect(new Set(rows.map(({ id }) => id))).toEqual(new Set([young.id, complete.id]))
  })
})

describe('the roll', () => {
  test('can be read in pages without a gap or a repeat, also where hosts have the same name', async () => {
    const hostnames = ['b', 'a', 'b', 'c', 'b', 'B', 'a.b', 'a_b', 'b', 'a-b', 'b']
    for (const hostname of hostnames) await addNode(store.pool, cluster.node(), { hostname })
    const all = (await roll()).map(({ id }) => id)
    expect(all).toHaveLength(hostnames.length)
    const seen: string[] = []
    let after: { hostname: string; id: string } | undefined
    do {
      const page = await selectNodes(store.pool, { size: 2, after })
      seen.push(...page.map(({ id }) => id))
      after = page.at(-1)
    } while (after !== undefined)
    expect(seen).toEqual(all)
  })
})

describe('a hello', () => {
  const facts = {
    hostname: 'web-9',
    labels: { env: 'test' },
    version: '2',
    advertisedAddress: '10.0.0.9',
    remoteAddress: '10.9.9.9',
    os: 'linux',
  }

  test('is noted for the node whose key it is, and first seen is noted once', async () => {
    const node = joining()
    await recordJoiningNode(store.pool, node)
    const hello = { id: node.id, keyFingerprint: node.keyFingerprint, ...facts }
    expect(await recordHello(store.pool, hello)).toBe(false)
    await activateNode(store.pool, node.id, 'aa', inAnHour())
    expect(await recordHello(store.pool, { ...hello, keyFingerprint: Buffer.alloc(32, 1) })).toBe(false)
    expect(await recordHello(store.pool, { ...hello, id: randomUUID() })).toBe(false)
    expect((await roll())[0]).toMatchObject({ hostname: 'web-1', firstSeenAt: undefined, lastSeenAt: undefined })

    expect(await recordHello(store.pool, hello)).toBe(true)
    const [first] = await roll()
    expect(first).toMatchObject(facts)
    expect(await recordHello(store.pool, hello)).toBe(true)
    const [second] = await roll()
    expect(second!.firstSeenAt).toEqual(first!.firstSeenAt)
    expect(second!.lastSeenAt!.getTime()).toBeGreaterThanOrEqual(first!.lastSeenAt!.getTime())
  })
})

describe('the time a node was last seen', () => {
  test('is kept for many at once, and never moves back', async () => {
    const members = [cluster.node(), cluster.node()]
    for (const member of members) await addNode(store.pool, member)
    const [early, late] = [new Date('2026-01-01T00:00:00Z'), new Date('2026-01-02T00:00:00Z')]
    const seen = (lastSeenAt: Date) => members.map(({ name }) => ({ id: name, lastSeenAt }))
    await recordLastSeen(store.pool, [...seen(late), { id: randomUUID(), lastSeenAt: late }])
    await recordLastSeen(store.pool, seen(early))
    expect((await roll()).map(({ lastSeenAt }) => lastSeenAt)).toEqual([late, late])
  })
})
