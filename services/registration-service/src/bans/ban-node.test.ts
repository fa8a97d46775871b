import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { generateKey } from '@muster/pki'
import { eventually, type TestMember } from '@muster/testkit'
import {
  addNode,
  contract,
  joinRequest,
  NodeStatus,
  refusal,
  serveRegistration,
  type Replica,
  type Served,
} from '../../test/support/service.ts'
import { purgeNodes } from '../nodes/store/removal.ts'
import { followStanding } from './follow-standing.ts'

let served: Served
let other: Replica
let node: TestMember
const open: { cancel(): void }[] = []

beforeAll(async () => {
  served = await serveRegistration()
  other = await served.addReplica()
})
beforeEach(async () => {
  await served.deps.refusals.close()
  await served.pool.query('truncate nodes, audit_events')
  await served.forgetRefusals()
  node = served.cluster.node()
  await addNode(served.pool, node)
})
afterEach(() => {
  for (const stream of open.splice(0)) stream.cancel()
})
afterAll(async () => {
  await served.close()
})

const operator = (replica: Replica = served) => replica.client(served.cluster.user('ada', 'operator'))

function ban(terms: { nodeId?: string; durationSeconds?: number; reason?: string } = {}, replica: Replica = served) {
  return operator(replica).banNode({ nodeId: node.name, durationSeconds: 0, reason: '', ...terms })
}

const unban = () => operator().unbanNode({ nodeId: node.name })

function sayHello(replica: Replica, member: TestMember, onAnswer: () => void = () => {}) {
  const stream = replica.connect(member).duplex(contract.heartbeat, onAnswer)
  open.push(stream)
  const facts = { version: '1', hostname: 'web-1', labels: {}, advertisedAddress: '', os: '' }
  stream.send({ message: { $case: 'hello', value: facts } })
  return stream
}

/** A heartbeat stream whose hello has been answered. */
async function beating(replica: Replica, member: TestMember = node) {
  let answers = 0
  const stream = sayHello(replica, member, () => void (answers += 1))
  await eventually('answered', () => answers === 1)
  return stream
}

async function shown() {
  const filter = { pageSize: 0, pageToken: '', tokenId: '', labels: {}, statuses: [], search: '' }
  return (await served.client(served.cluster.user('ada', 'viewer')).listNodes(filter)).nodes[0]!
}

async function audits() {
  const { rows } = await served.pool.query(
    'select action, actor, outcome, reason, node_id, details from audit_events order by id',
  )
  return rows as Record<string, unknown>[]
}

/** As if the ban had ended just now. */
const letTheBanEnd = () => served.pool.query(`update nodes set banned_until = now()`)

describe('a banned node', () => {
  test('a banned node is on the roll as banned, with the end, the operator and the reason of the ban', async () => {
    await beating(served)
    const { node: answered } = await ban({ durationSeconds: 3600, reason: 'disk under examination' })
    const expected = {
      id: node.name,
      status: NodeStatus.BANNED,
      ban: { by: `spiffe://${served.cluster.clusterName}/user/ada`, reason: 'disk under examination' },
    }
    expect(answered).toMatchObject(expected)
    const { ban: stored, ...entry } = await shown()
    expect({ ...entry, ban: stored }).toMatchObject(expected)
    expect(stored!.until!.getTime() - stored!.bannedAt!.getTime()).toBe(3_600_000)
  })

  test('a ban and its end are in the audit', async () => {
    await ban({ durationSeconds: 60, reason: 'stolen' })
    await unban()
    expect(await audits()).toMatchObject([
      {},
      { action: 'node.ban', outcome: 'ok', node_id: node.name, details: { why: 'stolen', hostname: 'web-1' } },
      { action: 'node.unban', outcome: 'ok', node_id: node.name },
    ])
  })

  test('the streams of a banned node end at once on every replica, with the reason, and other streams stay open', async () => {
    const stays = served.cluster.node()
    await addNode(served.pool, stays)
    const streams = [await beating(served), await beating(other)]
    const kept = await beating(other, stays)
    await ban({ reason: 'stolen' })
    for (const stream of streams) {
      expect(await refusal(stream.ended)).toMatchObject({
        kind: 'permissionDenied',
        reason: 'NODE_BANNED',
        message: 'this node is banned until the ban is lifted: stolen',
      })
    }
    await kept.end()
    await kept.ended
  })

  test('a banned node can neither open a stream nor renew, and the audit has both refusals', async () => {
    await ban()
    expect(await refusal(sayHello(other, node).ended)).toMatchObject({ reason: 'NODE_BANNED' })
    expect(await refusal(other.client(node).renewCertificate({}))).toMatchObject({ reason: 'NODE_BANNED' })
    await other.deps.refusals.close()
    const refused = (await audits()).filter(({ outcome }) => outcome === 'refused')
    expect(refused).toMatchObject([
      { action: 'node.hello', reason: 'NODE_BANNED', node_id: node.name },
      { action: 'node.renew', reason: 'NODE_BANNED', node_id: node.name },
    ])
  })

  test('a node that is banned while its certificate is signed gets no certificate', async () => {
    await served.pool.query(`update nodes set certificate_issued_at = now() - interval '2 hours'`)
    served.authority.meanwhile = async () => void (await ban())
    expect(await refusal(served.client(node).renewCertificate({}))).toMatchObject({ reason: 'NODE_BANNED' })
    served.authority.meanwhile = undefined
  })

  test('the key of a banned node joins with no token, and spends none', async () => {
    await ban({ durationSeconds: 600 })
    served.tokens.spends.length = 0
    const join = served.client(served.cluster.anonymous()).register(joinRequest({}, node.privateKey))
    expect(await refusal(join)).toMatchObject({ kind: 'permissionDenied', reason: 'KEY_BANNED' })
    expect(served.tokens.spends).toEqual([])
    expect((await audits()).at(-1)).toMatchObject({ action: 'node.join', outcome: 'refused', reason: 'KEY_BANNED' })
    await expect(
      served.client(served.cluster.anonymous()).register(joinRequest({}, generateKey())),
    ).resolves.toBeDefined()
  })

  test('the key of a banned node joins as no bot either', async () => {
    await ban()
    const join = served.client(served.cluster.anonymous()).register(joinRequest({ roles: ['bot'] }, node.privateKey))
    expect(await refusal(join)).toMatchObject({ reason: 'KEY_BANNED' })
  })

  test('the key of a node that was banned and then removed stays banned after the row of a removed node is purged', async () => {
    await ban()
    await operator().removeNode({ nodeId: node.name })
    await served.pool.query(`update nodes set removed_at = now() - interval '2 days'`)
    await purgeNodes(served.pool, new AbortController().signal)
    const join = served.client(served.cluster.anonymous()).register(joinRequest({}, node.privateKey))
    expect(await refusal(join)).toMatchObject({ reason: 'KEY_BANNED' })
  })
})

describe('the end of a ban', () => {
  test('an unbanned node may open a stream again', async () => {
    await ban()
    const { node: freed } = await unban()
    expect(freed).toMatchObject({ status: NodeStatus.PENDING, ban: undefined })
    await beating(other)
  })

  test('a temporary ban ends by itself', async () => {
    await ban({ durationSeconds: 600 })
    await letTheBanEnd()
    expect(await shown()).toMatchObject({ status: NodeStatus.PENDING, ban: undefined })
    await beating(served)
  })

  test('an unban of a node that is not banned changes nothing and is not in the audit', async () => {
    expect((await unban()).node).toMatchObject({ id: node.name })
    expect(await audits()).toHaveLength(1)
  })

  test('a newer ban replaces the end and the reason of an older one', async () => {
    await ban({ reason: 'first' })
    expect((await ban({ durationSeconds: 60, reason: 'second' })).node!.ban).toMatchObject({ reason: 'second' })
    await letTheBanEnd()
    expect((await shown()).ban).toBeUndefined()
  })
})

describe('refused bans', () => {
  test('an unknown node is neither banned nor unbanned', async () => {
    const gone = served.cluster.node().name
    expect(await refusal(ban({ nodeId: gone }))).toMatchObject({ reason: 'NODE_NOT_FOUND' })
    expect(await refusal(operator().unbanNode({ nodeId: gone }))).toMatchObject({ reason: 'NODE_NOT_FOUND' })
  })

  test.each([
    ['two\nlines', 'reason'],
    ['x'.repeat(201), 'reason'],
  ])('a ban with the reason %j is refused', async (reason, field) => {
    expect(await refusal(ban({ reason }))).toMatchObject({ kind: 'invalidArgument', field })
  })

  test('a viewer cannot ban', async () => {
    const viewer = served.client(served.cluster.user('bob', 'viewer'))
    const request = { nodeId: node.name, durationSeconds: 0, reason: '' }
    expect(await refusal(viewer.banNode(request))).toMatchObject({ reason: 'CALLER_NOT_ALLOWED' })
  })
})

describe('a replica that Redis tells nothing', () => {
  const follow = () => followStanding({ ...other.deps, pool: other.pool })

  test('a replica finds bans and removals by itself, and ends the streams', async () => {
    const removed = served.cluster.node()
    await addNode(served.pool, removed)
    const round = follow()
    await round()
    const streams = [await beating(other), await beating(other, removed)]
    await served.pool.query(`update nodes set banned_at = now() where id = $1`, [node.name])
    await served.pool.query(`update nodes set joined_at = null, removed_at = now() where id = $1`, [removed.name])
    await round()
    expect(await refusal(streams[0]!.ended)).toMatchObject({ reason: 'NODE_BANNED' })
    expect(await refusal(streams[1]!.ended)).toMatchObject({ reason: 'NODE_UNKNOWN' })
  })

  test('a replica tells its watchers once of each ban, and once of its end', async () => {
    const told: string[] = []
    const round = followStanding({ ...other.deps, pool: other.pool, presence: { emit: (_event, id) => told.push(id) } })
    await served.pool.query(`update nodes set banned_at = now()`)
    await round()
    await round()
    expect(told).toEqual([node.name])
    await letTheBanEnd()
    await round()
    await round()
    expect(told).toEqual([node.name, node.name])
  })

  test('a replica that could not end the streams of a banned node tries again', async () => {
    let isAway = true
    const streams = {
      recheck: async (ids: readonly string[]) => {
        if (isAway) throw new Error('away')
        await other.deps.streams.recheck(ids)
      },
    }
    const round = followStanding({ ...other.deps, pool: other.pool, streams })
    const stream = await beating(other)
    await served.pool.query(`update nodes set banned_at = now()`)
    await expect(round()).rejects.toThrow('away')
    isAway = false
    await round()
    expect(await refusal(stream.ended)).toMatchObject({ reason: 'NODE_BANNED' })
  })
})
