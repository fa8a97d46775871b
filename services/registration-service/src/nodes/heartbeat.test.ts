import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { registration } from '@muster/contracts'
import { VERSION } from '@muster/runtime'
import { eventually, type TestMember } from '@muster/testkit'
import { toRoll } from './roll/roll.ts'
import { selectNodes } from './store/roll-queries.ts'
import { addNode, contract, refusal, serveRegistration, type Served } from '../../test/support/service.ts'

let served: Served
let node: TestMember
const open: { stream: { cancel(): void } }[] = []

beforeAll(async () => {
  served = await serveRegistration()
})
beforeEach(async () => {
  await served.pool.query('truncate nodes')
  await served.redis.empty()
  served.pace.setFleetSize(0)
  node = served.cluster.node()
  await addNode(served.pool, node)
})
afterEach(() => {
  for (const { stream } of open.splice(0)) stream.cancel()
})
afterAll(async () => {
  await served.close()
})

const facts: registration.Hello = {
  version: '0.2.0',
  hostname: 'web-2',
  labels: { env: 'test' },
  advertisedAddress: '10.0.0.9',
  os: 'linux x64 6.1.0',
}

function openStream(member: TestMember = node) {
  const answers: registration.HeartbeatResponse[] = []
  const stream = served.connect(member).duplex(contract.heartbeat, (answer: registration.HeartbeatResponse) => {
    answers.push(answer)
  })
  const opened = {
    stream,
    answers,
    hello: (overrides: Partial<registration.Hello> = {}) =>
      stream.send({ message: { $case: 'hello', value: { ...facts, ...overrides } } }),
    beat: () => stream.send({ message: { $case: 'beat', value: {} } }),
    answered: (count: number) => eventually(`answered ${count} times`, () => answers.length === count),
  }
  open.push(opened)
  return opened
}

async function stored() {
  return (await selectNodes(served.pool, { size: 10, after: undefined }))[0]!
}

async function isOnline(id = node.name): Promise<boolean> {
  return (await served.presence.view([id], 0)).online.has(id)
}

/** The statements that the service sends to Postgres while `work` runs. */
async function queriesDuring(work: () => Promise<void>): Promise<unknown[]> {
  const query = served.pool.query
  const queries: unknown[] = []
  served.pool.query = ((...args: Parameters<typeof query>) => {
    queries.push(args)
    return query.apply(served.pool, args)
  }) as typeof query
  try {
    await work()
  } finally {
    served.pool.query = query
  }
  return queries
}

describe('a heartbeat stream', () => {
  test('a heartbeat stream begins with a hello, which is stored, and every message is answered with the interval', async () => {
    const { hello, beat, answered, answers } = openStream()
    hello()
    await answered(1)
    expect(await stored()).toMatchObject({ ...facts, remoteAddress: '127.0.0.1', firstSeenAt: expect.anything() })
    for (let i = 2; i <= 5; i++) {
      beat()
      await answered(i)
    }
    const settings = { intervalMs: 5_000, offlineAfterMs: 15_000 }
    const everyAnswer = { settings, trustBundleVersion: 7, renewNow: false }
    expect(answers[0]).toEqual({ ...everyAnswer, serverVersion: VERSION, minimumAgentVersion: '0.1.0' })
    for (const answer of answers.slice(1)) expect(answer).toEqual(everyAnswer)
    await eventually('online', () => isOnline())
  })

  test('a heartbeat stream of an agent that is too old goes on, and the roll shows the node as outdated', async () => {
    const { hello, beat, answered, answers } = openStream()
    hello({ version: '0.0.9' })
    await answered(1)
    expect(answers[0]).toMatchObject({ minimumAgentVersion: '0.1.0' })
    beat()
    await answered(2)
    const outdated = async () => (await toRoll(served.deps, [await stored()]))[0]!.outdated
    expect(await outdated()).toBe(true)
    const upgraded = openStream()
    upgraded.hello({ version: '0.1.0' })
    await upgraded.answered(1)
    expect(await outdated()).toBe(false)
  })

  test('a heartbeat stream costs no SQL beyond its hello', async () => {
    const { hello, beat, answered } = openStream()
    hello()
    await answered(1)
    const queries = await queriesDuring(async () => {
      for (let i = 0; i < 50; i++) beat()
      await answered(51)
    })
    expect(queries).toEqual([])
  })

  test('a heartbeat stream receives a slower pace, and may then be silent for longer', async () => {
    const { hello, beat, answered, answers } = openStream()
    hello()
    await answered(1)
    served.pace.setFleetSize(100_000)
    beat()
    await answered(2)
    expect(answers[1]!.settings).toEqual({ intervalMs: 50_000, offlineAfterMs: 150_000 })
    const ttl = async () => {
      const [key] = await served.redis.client.keys(`*presence:${node.name}`)
      return key === undefined ? 0 : served.redis.client.pttl(key)
    }
    // Until now the node had only been told the quick pace.
    await eventually('in Redis', async () => (await ttl()) > 0)
    expect(await ttl()).toBeLessThanOrEqual(15_000)
    beat()
    await eventually('allowed the longer silence', async () => (await ttl()) > 15_000)
  })

  test('a heartbeat stream ends when the node half-closes it, and the node stays online until it has been silent long enough', async () => {
    const { hello, answered, stream } = openStream()
    hello()
    await answered(1)
    await stream.end()
    await stream.ended
    await eventually('online', () => isOnline())
    const [key] = await served.redis.client.keys(`*presence:${node.name}`)
    const silence = await served.redis.client.pttl(key!)
    expect(silence).toBeGreaterThan(0)
    expect(silence).toBeLessThanOrEqual(15_000)
    // As if that time had passed.
    await served.redis.client.pexpire(key!, 1)
    await eventually('offline', async () => !(await isOnline()))
  })

  test('a heartbeat stream that is half-closed at once still gets the reply to its hello', async () => {
    const { hello, stream, answers } = openStream()
    hello()
    await stream.end()
    await stream.ended
    expect(answers).toHaveLength(1)
    expect(await stored()).toMatchObject({ hostname: 'web-2', firstSeenAt: expect.anything() })
  })

  test('a heartbeat stream that is half-closed without a message ends', async () => {
    const { stream, answers } = openStream()
    await stream.end()
    await stream.ended
    expect(answers).toEqual([])
  })

  test('the node of a heartbeat stream that has ended is no longer looked up on the roll', async () => {
    const { hello, answered, stream } = openStream()
    hello()
    await answered(1)
    expect(await queriesDuring(() => served.deps.streams.checkAll())).toHaveLength(1)
    await stream.end()
    await stream.ended
    await eventually(
      'no stream left',
      async () => (await queriesDuring(() => served.deps.streams.checkAll())).length === 0,
    )
  })
})

describe('refused heartbeat streams', () => {
  test('a heartbeat stream that begins with a beat is refused', async () => {
    const { beat, stream } = openStream()
    beat()
    expect(await refusal(stream.ended)).toMatchObject({ kind: 'invalidArgument', field: 'message' })
    expect(await isOnline()).toBe(false)
  })

  test('a heartbeat stream that begins with an empty message is refused', async () => {
    const { stream } = openStream()
    stream.send({ message: undefined })
    expect(await refusal(stream.ended)).toMatchObject({ kind: 'invalidArgument', field: 'message' })
  })

  test('a heartbeat stream is refused at a second hello', async () => {
    const { hello, answered, stream } = openStream()
    hello()
    await answered(1)
    hello()
    expect(await refusal(stream.ended)).toMatchObject({ kind: 'invalidArgument', field: 'message' })
  })

  test('a heartbeat stream is refused at two hellos at once', async () => {
    const { hello, stream } = openStream()
    hello()
    hello()
    expect(await refusal(stream.ended)).toMatchObject({ kind: 'invalidArgument', field: 'message' })
  })

  test.each<[string, Partial<registration.Hello>]>([
    ['hostname', { hostname: '../x' }],
    ['labels', { labels: { k: 'a\nb' } }],
    ['version', { version: '\u202e' }],
    ['advertised_address', { advertisedAddress: 'a b' }],
    ['os', { os: 'x'.repeat(129) }],
    ['os', { os: '\u001b[31m' }],
  ])('a heartbeat stream with a bad %s is refused, and nothing of it is stored', async (field, overrides) => {
    const { hello, stream } = openStream()
    hello(overrides)
    expect(await refusal(stream.ended)).toMatchObject({ kind: 'invalidArgument', field })
    expect(await stored()).toMatchObject({ hostname: 'web-1', firstSeenAt: undefined })
    expect(await isOnline()).toBe(false)
  })

  test('a heartbeat stream of a node that is not on the roll is refused, and the node is not online', async () => {
    const stranger = served.cluster.node()
    const { hello, beat, stream } = openStream(stranger)
    hello()
    beat()
    expect(await refusal(stream.ended)).toMatchObject({ kind: 'failedPrecondition', reason: 'NODE_UNKNOWN' })
    expect(await isOnline(stranger.name)).toBe(false)
    const { rows } = await served.pool.query(
      `select action, actor, reason, details from audit_events where outcome = 'refused' and node_id = $1`,
      [stranger.name],
    )
    const details = { hostname: 'web-2' }
    expect(rows).toEqual([{ action: 'node.hello', actor: stranger.spiffeId, reason: 'NODE_UNKNOWN', details }])
  })

  test('a heartbeat stream of a node that is not on the roll is refused when it is half-closed at once too', async () => {
    const { hello, stream } = openStream(served.cluster.node())
    hello()
    const refused = refusal(stream.ended)
    await stream.end()
    expect(await refused).toMatchObject({ kind: 'failedPrecondition', reason: 'NODE_UNKNOWN' })
  })

  test('a heartbeat stream for a node id with a key other than the one that joined is refused', async () => {
    const other = served.cluster.node(node.name)
    const { hello, stream } = openStream(other)
    hello()
    expect(await refusal(stream.ended)).toMatchObject({ reason: 'NODE_UNKNOWN' })
    expect(await isOnline()).toBe(false)
  })

  test('a heartbeat stream is refused as soon as its certificate has expired', async () => {
    const ending = served.cluster.member({
      kind: 'node',
      name: node.name,
      privateKey: node.privateKey,
      notAfter: new Date(served.clock.now().getTime() + 3_600_000),
    })
    const { hello, beat, answered, stream } = openStream(ending)
    hello()
    await answered(1)
    await served.clock.advance(3_500_000)
    beat()
    await answered(2)
    await served.clock.advance(200_000)
    beat()
    expect(await refusal(stream.ended)).toMatchObject({ kind: 'unauthenticated', reason: 'CERTIFICATE_EXPIRED' })
  })
})

describe('beats before the hello is stored', () => {
  test('beats before the hello is stored do not count, and get the answer to the hello', async () => {
    const holder = await served.pool.connect()
    await holder.query('begin')
    await holder.query('select from nodes for update')
    const { hello, beat, answered, answers } = openStream()
    hello()
    beat()
    beat()
    await eventually('waiting for the row', async () => {
      const { rowCount } = await served.pool.query(
        `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      )
      return rowCount === 1
    })
    expect(answers).toEqual([])
    expect(await isOnline()).toBe(false)
    await holder.query('rollback')
    holder.release()
    await answered(1)
    beat()
    await answered(2)
  })
})
