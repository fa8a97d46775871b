import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { eventually, type TestMember } from '@muster/testkit'
import {
  addNode,
  contract,
  NodeStatus,
  refusal,
  serveRegistration,
  type Replica,
  type Served,
} from '../../test/support/service.ts'

let served: Served
let other: Replica
let node: TestMember
const open: { cancel(): void }[] = []

beforeAll(async () => {
  served = await serveRegistration()
  other = await served.addReplica()
})
beforeEach(async () => {
  await served.pool.query('truncate nodes, audit_events')
  await served.redis.empty()
  node = served.cluster.node()
  await addNode(served.pool, node, { hostname: 'web-1' })
})
afterEach(() => {
  for (const stream of open.splice(0)) stream.cancel()
})
afterAll(async () => {
  await served.close()
})

function remove(nodeId = node.name, replica: Replica = served) {
  return replica.client(served.cluster.user('ada', 'operator')).removeNode({ nodeId })
}

/** A heartbeat stream whose hello has been answered. */
async function beating(replica: Replica, member: TestMember = node) {
  let answers = 0
  const stream = replica.connect(member).duplex(contract.heartbeat, () => void (answers += 1))
  open.push(stream)
  const facts = { version: '1', hostname: 'web-1', labels: {}, advertisedAddress: '', os: '' }
  stream.send({ message: { $case: 'hello', value: facts } })
  await eventually('answered', () => answers === 1)
  return stream
}

const isOnline = async () => (await served.presence.view([node.name], 0)).online.has(node.name)

describe('removed nodes', () => {
  test('a removed node is shown once more as it was, and is no longer on the roll', async () => {
    const { node: shown } = await remove()
    expect(shown).toMatchObject({ id: node.name, hostname: 'web-1', status: NodeStatus.PENDING })
    const viewer = served.client(served.cluster.user('ada', 'viewer'))
    expect(
      (await viewer.listNodes({ pageSize: 0, pageToken: '', tokenId: '', labels: {}, statuses: [], search: '' })).nodes,
    ).toEqual([])
    expect(await refusal(remove())).toMatchObject({ kind: 'notFound' })
    expect(await refusal(remove('web-1'))).toMatchObject({ kind: 'invalidArgument', field: 'node_id' })
  })

  test('the stream of a removed node ends at once, on any replica, and other streams stay open', async () => {
    const stays = served.cluster.node()
    await addNode(served.pool, stays)
    const streams = [await beating(served), await beating(other)]
    const kept = await beating(other, stays)
    await remove()
    for (const stream of streams) {
      expect(await refusal(stream.ended)).toMatchObject({ kind: 'failedPrecondition', reason: 'NODE_UNKNOWN' })
    }
    await kept.end()
    await kept.ended
  })

  test('a removed node is not online any more, and does not fall silent later', async () => {
    const heard: string[] = []
    await beating(other)
    await eventually('online', isOnline)
    other.presence.on('changed', (id) => heard.push(id))
    await remove()
    await eventually('forgotten', async () => !(await isOnline()))
    await eventually('heard of', () => heard.length > 0)
    expect(await served.redis.client.keys(`*presence:${node.name}`)).toEqual([])
    const scores = await Promise.all(['alive', 'gone'].map((key) => served.redis.client.keys(`*:${key}`)))
    for (const key of scores.flat()) expect(await served.redis.client.zscore(key, node.name)).toBeNull()
  })

  test('a removed node may not renew, nor open another stream', async () => {
    await remove()
    expect(await refusal(served.client(node).renewCertificate({}))).toMatchObject({ reason: 'NODE_UNKNOWN' })
    const stream = served.connect(node).duplex(contract.heartbeat, () => {})
    const facts = { version: '1', hostname: 'web-1', labels: {}, advertisedAddress: '', os: '' }
    stream.send({ message: { $case: 'hello', value: facts } })
    expect(await refusal(stream.ended)).toMatchObject({ reason: 'NODE_UNKNOWN' })
  })

  test('the stream of a removed node ends on a replica that missed the announcement, once Redis is back or the replica checks by itself', async () => {
    for (const notice of [() => other.presence.emit('resync'), () => other.deps.streams.checkAll()]) {
      const member = served.cluster.node()
      await addNode(served.pool, member)
      const stream = await beating(other, member)
      await served.pool.query('delete from nodes where id = $1', [member.name])
      await notice()
      expect(await refusal(stream.ended)).toMatchObject({ reason: 'NODE_UNKNOWN' })
    }
  })

  test('the stream of a node that is removed while its hello is being stored ends too', async () => {
    const holder = await served.pool.connect()
    await holder.query('begin')
    await holder.query('delete from nodes where id = $1', [node.name])
    const stream = other.connect(node).duplex(contract.heartbeat, () => {})
    open.push(stream)
    const facts = { version: '1', hostname: 'web-1', labels: {}, advertisedAddress: '', os: '' }
    stream.send({ message: { $case: 'hello', value: facts } })
    await eventually('waiting for the row', async () => {
      const { rowCount } = await served.pool.query(
        `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      )
      return rowCount === 1
    })
    await holder.query('commit')
    holder.release()
    expect(await refusal(stream.ended)).toMatchObject({ reason: 'NODE_UNKNOWN' })
  })
})

describe('announcements of removals', () => {
  test('an announcement of a removal ends no stream of a node that is on the roll', async () => {
    const stream = await beating(other)
    let heard = 0
    other.presence.on('recheck', () => (heard += 1))
    served.presence.forget(node.name)
    served.presence.forget(randomUUID())
    await eventually('heard', () => heard === 2)
    await other.deps.streams.check([node.name])
    await stream.end()
    await stream.ended
  })
})
