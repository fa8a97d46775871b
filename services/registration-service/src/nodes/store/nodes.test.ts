import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { testCluster } from '@muster/testkit'
import { randomUUID } from 'node:crypto'
import { activateNode, recordJoiningNode, type JoiningNode } from './joining.ts'
import { takeOffRoll, purgeNodes } from './removal.ts'
import { recordRenewal } from './renewal.ts'
import { type NodePlace, placeOf, selectNodes, selectNodesById } from './roll-queries.ts'
import { recordHello, recordLastSeen } from './sightings.ts'
import { addNode, granted, openStore, type Store } from '../../../test/support/service.ts'

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
    allowHostnames: [],
    spentAt: undefined,
    ...overrides,
  }
}

/** What a hello says of a node that presents its first certificate. */
const shown = { serial: 'aa', trustVersion: undefined, isStored: true }
const inAnHour = () => new Date(Date.now() + 3_600_000)

async function roll() {
  return selectNodes(store.pool, { size: 1_000, after: undefined })
}

describe('a join', () => {
  test('a join is not on the roll until it is complete', async () => {
    const node = joining()
    await recordJoiningNode(store.pool, node)
    expect(await roll()).toEqual([])
    expect(await selectNodesById(store.pool, [node.id])).toEqual([])
    await activateNode(store.pool, node.id, granted('aa', inAnHour()))
    expect(await roll()).toMatchObject([{ id: node.id, hostname: 'web-1', labels: { env: 'prod' }, roles: ['node'] }])
  })

  test('a join that is repeated updates the row and keeps the time when it was first complete', async () => {
    const node = joining()
    await recordJoiningNode(store.pool, node)
    await activateNode(store.pool, node.id, granted('aa', inAnHour()))
    const [first] = await roll()
    await recordJoiningNode(store.pool, { ...node, hostname: 'web-2', labels: {} })
    await activateNode(store.pool, node.id, granted('bb', inAnHour()))
    const [second, ...others] = await roll()
    expect(others).toEqual([])
    expect(second).toMatchObject({ hostname: 'web-2', labels: {}, joinedAt: first!.joinedAt })
    const { rows } = await store.pool.query('select certificate_serial, previous_serial from nodes')
    expect(rows).toEqual([{ certificate_serial: 'bb', previous_serial: 'aa' }])
  })

  test('a join and its audit event are committed or rolled back together', async () => {
    const node = joining()
    await recordJoiningNode(store.pool, node)
    await store.pool.query('alter table audit_events add constraint full_disk check (false) not valid')
    try {
      await expect(activateNode(store.pool, node.id, granted('aa', inAnHour()))).rejects.toThrow('full_disk')
      expect(await roll()).toEqual([])
    } finally {
      await store.pool.query('alter table audit_events drop constraint full_disk')
    }
    await activateNode(store.pool, node.id, granted('aa', inAnHour()))
    const { rows } = await store.pool.query('select action, outcome, node_id, token_id from audit_events')
    expect(rows).toEqual([{ action: 'node.join', outcome: 'ok', node_id: node.id, token_id: 'abcdefghij' }])
    expect(await roll()).toHaveLength(1)
  })

  test('a join that began over a day ago and was never finished is deleted', async () => {
    const [old, young, complete] = [joining(), joining(), joining()]
    for (const node of [old, young, complete]) await recordJoiningNode(store.pool, node)
    await activateNode(store.pool, complete.id, granted('aa', inAnHour()))
    await store.pool.query(`update nodes set created_at = now() - interval '25 hours' where id <> $1`, [young.id])
    expect(await purgeNodes(store.pool, new AbortController().signal)).toBe(1)
    const { rows } = await store.pool.query<{ id: string }>('select id from nodes')
    expect(new Set(rows.map(({ id }) => id))).toEqual(new Set([young.id, complete.id]))
  })
})

describe('host names that a token allows', () => {
  test('a hello cannot leave the host names that a token allows: the node keeps its last one', async () => {
    const node = joining({ hostname: 'web-1', allowHostnames: ['web-*', 'db_?'] })
    await recordJoiningNode(store.pool, node)
    await activateNode(store.pool, node.id, granted('aa', inAnHour()))
    const nameAfter = async (hostname: string) => {
      expect(await recordHello(store.pool, { ...node, hostname, os: 'linux', ...shown })).toBeDefined()
      return (await roll())[0]!.hostname
    }
    expect(await nameAfter('bank-1')).toBe('web-1')
    expect(await nameAfter('Web-2')).toBe('Web-2')
    expect(await nameAfter('dbx1')).toBe('Web-2')
    expect(await nameAfter('db_1')).toBe('db_1')
  })
})

describe('labels that a token forces', () => {
  const forced = { env: 'prod', team: 'search' }

  test('labels that a token forces override what the node reports when it joins and at each hello', async () => {
    const node = joining({ labels: { env: 'lie', disk: 'ssd' }, nodeLabels: forced })
    await recordJoiningNode(store.pool, node)
    await activateNode(store.pool, node.id, granted('aa', inAnHour()))
    expect((await roll())[0]!.labels).toEqual({ ...forced, disk: 'ssd' })

    const hello = { ...node, os: 'linux', ...shown }
    for (const labels of [{ env: 'another-lie', disk: 'hdd' }, {}, { team: '' }]) {
      await recordHello(store.pool, { ...hello, labels })
      expect((await roll())[0]!.labels).toEqual({ ...labels, ...forced })
    }
  })

  test('labels that a token forces are those of the last join', async () => {
    const node = joining({ labels: { env: 'lie' }, nodeLabels: forced })
    await recordJoiningNode(store.pool, node)
    await recordJoiningNode(store.pool, { ...node, nodeLabels: { zone: 'b' } })
    await activateNode(store.pool, node.id, granted('aa', inAnHour()))
    expect((await roll())[0]!.labels).toEqual({ env: 'lie', zone: 'b' })
  })
})

describe('a removal', () => {
  const by = { actor: 'spiffe://x/user/ada', remoteAddress: '10.0.0.9' }

  test('a removal of one node by 64 callers at once is done once, on two replicas, and recorded once', async () => {
    const node = joining()
    await recordJoiningNode(store.pool, node)
    await activateNode(store.pool, node.id, granted('aa', inAnHour()))
    const otherPool = store.openPool()
    const removals = Array.from({ length: 64 }, (_, i) =>
      takeOffRoll([store.pool, otherPool][i % 2]!, { id: node.id, ...by }),
    )
    const removed = (await Promise.all(removals)).filter((found) => found !== undefined)
    await otherPool.end()
    expect(removed).toMatchObject([{ id: node.id, hostname: 'web-1', tokenId: 'abcdefghij' }])
    expect(await roll()).toEqual([])
    const { rows } = await store.pool.query(
      `select actor, remote_address, outcome, token_id, node_id, details from audit_events where action = 'node.remove'`,
    )
    const details = { hostname: 'web-1', roles: ['node'] }
    expect(rows).toEqual([
      { actor: by.actor, remote_address: '10.0.0.9', outcome: 'ok', token_id: 'abcdefghij', node_id: node.id, details },
    ])
  })

  test('a removal does not affect a join in progress', async () => {
    const node = joining()
    await recordJoiningNode(store.pool, node)
    expect(await takeOffRoll(store.pool, { id: node.id, ...by })).toBeUndefined()
    expect(await activateNode(store.pool, node.id, granted('aa', inAnHour()))).toBe(true)
  })

  test('a removal between the steps of a repeated join is not undone by the rest of the join', async () => {
    const node = joining()
    await recordJoiningNode(store.pool, node)
    await activateNode(store.pool, node.id, granted('aa', inAnHour()))
    await recordJoiningNode(store.pool, node)
    await takeOffRoll(store.pool, { id: node.id, ...by })
    expect(await activateNode(store.pool, node.id, granted('bb', inAnHour()))).toBe(false)
    expect(await roll()).toEqual([])
  })

  test('a removal is not undone by a join, a hello or a renewal with the same key, and is deleted after a day', async () => {
    const node = joining()
    await recordJoiningNode(store.pool, node)
    await activateNode(store.pool, node.id, granted('aa', inAnHour()))
    await takeOffRoll(store.pool, { id: node.id, ...by })

    expect(await recordJoiningNode(store.pool, node)).toBe(false)
    expect(await activateNode(store.pool, node.id, granted('bb', inAnHour()))).toBe(false)
    expect(await recordHello(store.pool, { ...node, os: 'linux', ...shown })).toBeUndefined()
    const before = { shownSerial: 'aa', shownExpiresAt: inAnHour(), lastSerial: 'aa' }
    const renewal = { id: node.id, ...before, ...granted('bb', inAnHour()) }
    expect(await recordRenewal(store.pool, { ...renewal, ...by })).toBe(false)
    expect(await roll()).toEqual([])

    await store.pool.query(`update nodes set created_at = now() - interval '25 hours'`)
    expect(await purgeNodes(store.pool, new AbortController().signal)).toBe(0)
    await store.pool.query(`update nodes set removed_at = now() - interval '25 hours'`)
    expect(await purgeNodes(store.pool, new AbortController().signal)).toBe(1)
    // The row that remembered the removal is gone, and the token may live for long: the age of the spend tells.
    const spentAt = new Date(Date.now() - 25 * 3_600_000)
    expect(await recordJoiningNode(store.pool, { ...node, spentAt })).toBe(false)
    expect(await roll()).toEqual([])
  })

  test('an old spend is repeated by a node that is on the roll, and a new one creates a node', async () => {
    const node = joining({ spentAt: new Date() })
    expect(await recordJoiningNode(store.pool, node)).toBe(true)
    await activateNode(store.pool, node.id, granted('aa', inAnHour()))
    expect(await recordJoiningNode(store.pool, { ...node, spentAt: new Date(0) })).toBe(true)
    expect(await roll()).toHaveLength(1)
  })

  test('a removal raced by joins with the same key on two replicas is not undone', async () => {
    const node = joining()
    await recordJoiningNode(store.pool, node)
    await activateNode(store.pool, node.id, granted('aa', inAnHour()))
    const otherPool = store.openPool()
    const join = async (pool: Store['pool'], serial: string) =>
      (await recordJoiningNode(pool, node)) && (await activateNode(pool, node.id, granted(serial, inAnHour())))
    await Promise.all(
      Array.from({ length: 64 }, (_, i) => {
        const pool = [store.pool, otherPool][i % 2]!
        return i === 20 ? takeOffRoll(pool, { id: node.id, ...by }) : join(pool, `${i}`)
      }),
    )
    await otherPool.end()
    expect(await roll()).toEqual([])
  })
})

describe('the roll', () => {
  test('the roll can be read in pages without a gap or a repeat, also where hosts have the same name', async () => {
    const hostnames = ['b', 'a', 'b', 'c', 'b', 'B', 'a.b', 'a_b', 'b', 'a-b', 'b']
    for (const hostname of hostnames) await addNode(store.pool, cluster.node(), { hostname })
    const all = (await roll()).map(({ id }) => id)
    expect(all).toHaveLength(hostnames.length)
    const seen: string[] = []
    let after: NodePlace | undefined
    do {
      const page = await selectNodes(store.pool, { size: 2, after })
      seen.push(...page.map(({ id }) => id))
      const last = page.at(-1)
      after = last && placeOf(last, {})
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

  test('a hello is stored for the node with its key, and the time first seen is stored once', async () => {
    const node = joining()
    await recordJoiningNode(store.pool, node)
    const hello = { id: node.id, keyFingerprint: node.keyFingerprint, ...facts, ...shown }
    expect(await recordHello(store.pool, hello)).toBeUndefined()
    await activateNode(store.pool, node.id, granted('aa', inAnHour()))
    expect(await recordHello(store.pool, { ...hello, keyFingerprint: Buffer.alloc(32, 1) })).toBeUndefined()
    expect(await recordHello(store.pool, { ...hello, id: randomUUID() })).toBeUndefined()
    expect((await roll())[0]).toMatchObject({ hostname: 'web-1', firstSeenAt: undefined, lastSeenAt: undefined })

    expect(await recordHello(store.pool, hello)).toEqual({ authorityNumber: 1 })
    const [first] = await roll()
    expect(first).toMatchObject(facts)
    expect(await recordHello(store.pool, hello)).toEqual({ authorityNumber: 1 })
    const [second] = await roll()
    expect(second!.firstSeenAt).toEqual(first!.firstSeenAt)
    expect(second!.lastSeenAt!.getTime()).toBeGreaterThanOrEqual(first!.lastSeenAt!.getTime())
  })
})

describe('the time a node was last seen', () => {
  test('the time a node was last seen is stored for many nodes at once, and never moves back', async () => {
    const members = [cluster.node(), cluster.node()]
    for (const member of members) await addNode(store.pool, member)
    const [early, late] = [new Date('2026-01-01T00:00:00Z'), new Date('2026-01-02T00:00:00Z')]
    const seen = (lastSeenAt: Date) => members.map(({ name }) => ({ id: name, lastSeenAt }))
    await recordLastSeen(store.pool, [...seen(late), { id: randomUUID(), lastSeenAt: late }])
    await recordLastSeen(store.pool, seen(early))
    expect((await roll()).map(({ lastSeenAt }) => lastSeenAt)).toEqual([late, late])
  })
})
