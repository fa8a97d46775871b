import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { registration } from '@muster/contracts'
import type { CallContext } from '@muster/rpc'
import { eventually, type TestMember } from '@muster/testkit'
import { addNode, contract, NodeStatus, serveRegistration, type Served } from '../../../test/support/service.ts'
import { watchNodes } from './watch-nodes.ts'

let served: Served
let stop: AbortController

beforeAll(async () => {
  served = await serveRegistration()
})
beforeEach(async () => {
  await served.pool.query('truncate nodes')
  stop = new AbortController()
})
afterEach(() => {
  stop.abort()
})
afterAll(async () => {
  await served.close()
})

/** Watches, and keeps each event: a node as name and status or as `removed`, the end of a snapshot as `complete`. */
function watch(): string[] {
  const told: string[] = []
  const connection = served.connect(served.cluster.user('ada', 'viewer'))
  void (async () => {
    const messages = connection.serverStream(contract.watchNodes, {}, stop.signal)
    for await (const { event } of messages) {
      if (event?.$case === 'removed') told.push(`removed ${event.value.nodeId}`)
      else told.push(event?.$case === 'node' ? said(event.value) : 'complete')
    }
  })()
  return told
}

function said({ hostname, status }: registration.Node): string {
  return `${hostname} ${Object.entries(NodeStatus).find(([, value]) => value === status)![0]}`
}

async function add(hostname: string): Promise<TestMember> {
  const member = served.cluster.node()
  await addNode(served.pool, member, { hostname })
  return member
}

describe('watchers of the roll', () => {
  test('a watcher of the roll gets the whole roll, then each change', async () => {
    const node = await add('a')
    await add('b')
    const told = watch()
    await eventually('complete', () => told.length === 3)
    expect(told).toEqual(['a PENDING', 'b PENDING', 'complete'])

    served.presence.beat(node.name, 200)
    await eventually('told that it is online', () => told.length === 4)
    expect(told[3]).toBe('a ONLINE')

    const late = await add('c')
    served.presence.announce(late.name)
    await eventually('told of the newcomer', () => told.length === 5)
    expect(told[4]).toBe('c PENDING')

    await served.pool.query('update nodes set first_seen_at = now() where id = $1', [node.name])
    await eventually('told that it is silent', async () => {
      await served.presence.sweep(200)
      return told.length > 5
    })
    // A young Redis does not know the status of other nodes, but it knows this one.
    expect(told.slice(5)).toContain('a OFFLINE')
  })

  test('a watcher of the roll misses no change while the snapshot is being sent', async () => {
    for (let i = 0; i < 20; i++) await add(`n${String(i).padStart(2, '0')}`)
    const told = watch()
    await eventually('begun', () => served.presence.listenerCount('changed') > 0)
    const changed = await add('changed-meanwhile')
    served.presence.announce(changed.name)
    await eventually('told', () => told.includes('changed-meanwhile PENDING'))
    expect(told.filter((line) => line === 'complete')).toHaveLength(1)
  })

  test('a watcher of the roll gets the whole roll again after changes may have been missed', async () => {
    await add('a')
    const told = watch()
    await eventually('complete', () => told.length === 2)
    await add('b')
    served.presence.emit('resync')
    await eventually('complete again', () => told.length === 5)
    expect(told.slice(2)).toEqual(['a PENDING', 'b PENDING', 'complete'])
  })

  test('a watcher of the roll receives a removed node once', async () => {
    const [a, b] = [await add('a'), await add('b')]
    const told = watch()
    await eventually('complete', () => told.length === 3)
    await served.client(served.cluster.user('ada', 'operator')).removeNode({ nodeId: a.name })
    await eventually('told', () => told.length === 4)
    served.presence.announce(a.name)
    served.presence.announce(b.name)
    await eventually('told of the other', () => told.includes('b PENDING') && told.length === 5)
    expect(told.slice(3)).toEqual([`removed ${a.name}`, 'b PENDING'])
  })

  test('a watcher of the roll receives the nodes that were removed while changes were missed, with the next snapshot', async () => {
    const [a, b] = [await add('a'), await add('b')]
    const told = watch()
    await eventually('complete', () => told.length === 3)
    await served.pool.query('delete from nodes where id = $1', [a.name])
    served.presence.emit('resync')
    await eventually('complete again', () => told.filter((line) => line === 'complete').length === 2)
    expect(told.slice(3)).toEqual(['b PENDING', `removed ${a.name}`, 'complete'])

    await served.pool.query('delete from nodes where id = $1', [b.name])
    served.presence.emit('resync')
    await eventually('complete again', () => told.filter((line) => line === 'complete').length === 3)
    expect(told.slice(6)).toEqual([`removed ${b.name}`, 'complete'])
  })

  test('a watcher of the roll is not told that a node is gone because its name changed between two pages', async () => {
    for (let i = 0; i < 501; i++) await add(`n${String(i).padStart(3, '0')}`)
    const told = watch()
    await eventually('complete', () => told.includes('complete'))
    // The first page of the next snapshot has been read when the last node moves to the front.
    const view = served.presence.view.bind(served.presence)
    let renamed = false
    served.presence.view = async (...args) => {
      if (!renamed) await served.pool.query(`update nodes set hostname = 'a' where hostname = 'n500'`)
      renamed = true
      return view(...args)
    }
    try {
      served.presence.emit('resync')
      await eventually('complete again', () => told.filter((line) => line === 'complete').length === 2)
    } finally {
      served.presence.view = view
    }
    expect(told.slice(502).filter((line) => line.startsWith('removed'))).toEqual([])
    expect(told.slice(502)).toContain('a PENDING')
  })

  test('a watcher of the roll receives the current state of a node, not each change', async () => {
    const node = await add('a')
    const told = watch()
    await eventually('complete', () => told.length === 2)
    for (let i = 0; i < 1_000; i++) served.presence.emit('changed', node.name)
    await eventually('told', () => told.length > 2)
    const last = await add('z')
    served.presence.announce(last.name)
    await eventually('told of the last', () => told.includes('z PENDING'))
    expect(told.length).toBeLessThan(20)
  })

  test('a watcher of the roll receives nothing about a node that is not on the roll', async () => {
    const told = watch()
    await eventually('complete', () => told.length === 1)
    served.presence.announce(served.cluster.node().name)
    const node = await add('a')
    served.presence.announce(node.name)
    await eventually('told', () => told.length > 1)
    expect(told).toEqual(['complete', 'a PENDING'])
  })

  test('a watcher of the roll leaves no listener behind, even if it is gone before it is served', async () => {
    // One listener stays as long as the service: the heartbeat streams follow resync too.
    const listeners = () => served.presence.listenerCount('changed') + served.presence.listenerCount('resync')
    await eventually('quiet', () => listeners() === 1)
    const told = watch()
    await eventually('complete', () => told.length === 1)
    expect(listeners()).toBe(3)
    stop.abort()
    await eventually('quiet', () => listeners() === 1)

    const gone = { signal: AbortSignal.abort() } as CallContext
    const messages: unknown[] = []
    for await (const message of watchNodes(served.deps)({}, gone)) messages.push(message)
    expect(messages).toEqual([])
    expect(listeners()).toBe(1)
  })
})
