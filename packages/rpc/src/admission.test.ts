import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { AppError, BREAK_GLASS } from '@muster/domain'
import { systemClock } from '@muster/runtime'
import { eventually, testCluster, type TestCluster, type TestMaterial } from '@muster/testkit'
import type { CurrentRoles } from './admission.ts'
import { anyone, nodes, operators, services } from './callers.ts'
import type { RpcServer } from './serve.ts'
import {
  beat,
  connections,
  contract,
  heartbeatAnswer,
  memoryLog,
  rejection,
  sampleService,
  sayWhoCalls,
} from './test-support.ts'
import { serveForTest } from './testing.ts'

const { open, closeAll } = connections()
const { log, lines } = memoryLog()
const LIST = { pageSize: 0, pageToken: '', tokenId: '' }
const JOIN = { token: '', csrDer: Buffer.of(), hostname: '', roles: [], advertisedAddress: '', labels: {}, version: '' }
let cluster: TestCluster
let server: RpcServer
/** What the roll of people says, and about whom it was asked. */
let roll: CurrentRoles
let asked: string[]
/** What was told of refused calls. */
let refused: string[]
let handled: string[]
/** Handlers of streams: how many were begun, and how many run. */
let begun: number
let running: number
/** Ends the unary calls that wait to be told. */
let waiting: (() => void)[]
/** Ends the streams of a test. */
let leave: AbortController

const gone = () => new AppError('unauthenticated', 'you are no longer a user', { reason: 'USER_UNKNOWN' })
const away = () => new AppError('unavailable', 'the register cannot be reached; try again')

/** How far the server's clock has been moved. */
let aheadMs = 0

beforeAll(async () => {
  cluster = testCluster()
  const viewers = operators('viewer')
  server = await serveForTest({
    clusterName: cluster.clusterName,
    identity: cluster.service('registration-service'),
    log,
    clock: { ...systemClock, now: () => new Date(Date.now() + aheadMs) },
    onRefused: (rpc, { kind, reason }, { peer }) => refused.push(`${peer.kind} ${rpc} ${kind} ${reason}`),
    currentRoles: (person, context) => {
      asked.push(person.name)
      return roll(person, context)
    },
    services: [
      sampleService({
        getTrustBundle: { ...sayWhoCalls, callers: viewers },
        listNodes: {
          callers: operators('operator'),
          handle: async ({ pageToken }, { signal }) => {
            signal.throwIfAborted()
            if (pageToken === 'wait') await new Promise<void>((resolve) => waiting.push(resolve))
            return { nodes: [], nextPageToken: '' }
          },
        },
        register: {
          callers: anyone,
          handle: async () => ({
            nodeId: 'in',
            certificate: undefined,
            trustBundle: undefined,
            heartbeat: undefined,
            botName: '',
          }),
        },
        renewCertificate: {
          callers: nodes,
          handle: async () => ({ certificate: undefined, trustBundle: undefined }),
        },
        removeNode: { callers: services('token-service'), handle: async () => ({ node: undefined }) },
        heartbeat: {
          callers: viewers,
          handle: (stream, { signal }) =>
            new Promise((resolve) => {
              begun += 1
              running += 1
              signal.addEventListener('abort', () => {
                running -= 1
                resolve()
              })
              stream.onMessage(({ message }) => {
                handled.push(message?.$case === 'hello' ? message.value.hostname : 'beat')
                stream.send(heartbeatAnswer(handled.length))
              })
            }),
        },
        watchNodes: {
          callers: viewers,
          handle: async function* (_request, { signal }) {
            begun += 1
            running += 1
            try {
              yield { event: { $case: 'snapshotComplete', value: {} } }
              await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
            } finally {
              running -= 1
            }
          },
        },
      }),
    ],
  })
})
beforeEach(() => {
  roll = async ({ roles }) => roles
  asked = []
  refused = []
  handled = []
  begun = 0
  running = 0
  leave = new AbortController()
  waiting = []
  lines.length = 0
})
afterEach(async () => {
  leave.abort()
  closeAll()
  await eventually('ended', () => running === 0)
})
afterAll(() => server.close())

const clientOf = (material: TestMaterial) => open(server.address, material).client(contract)
const whoAmI = (material: TestMaterial) => clientOf(material).getTrustBundle({})

/** A watch that has brought its first message. */
async function watching(material: TestMaterial): Promise<AsyncIterator<unknown>> {
  const stream = open(server.address, material).serverStream(contract.watchNodes, {}, leave.signal)
  const messages = stream[Symbol.asyncIterator]()
  expect(await messages.next()).toMatchObject({ value: { event: { $case: 'snapshotComplete' } } })
  return messages
}

/** A duplex whose first beat has been answered. */
async function beating(material: TestMaterial) {
  let answers = 0
  const stream = open(server.address, material).duplex(contract.heartbeat, () => (answers += 1))
  stream.ended.catch(() => {})
  leave.signal.addEventListener('abort', () => stream.cancel())
  stream.send(beat)
  await eventually('answered', () => answers === 1)
  return { stream, answers: () => answers }
}

/** A roll that answers when it is told to. */
function heldRoll(): () => void {
  let release = () => {}
  const held = new Promise<void>((resolve) => (release = resolve))
  roll = async ({ roles }) => {
    await held
    return roles
  }
  return release
}

describe('a person', () => {
  test('is let in while the roll of people names them, and is asked about on every call', async () => {
    const ada = cluster.user('ada', 'viewer')
    expect((await whoAmI(ada)).trustBundle!.clusterName).toContain(ada.spiffeId)
    await whoAmI(ada)
    expect(asked).toEqual(['ada', 'ada'])
  })

  test('is asked about once for a unary call, however long it takes', async () => {
    const called = clientOf(cluster.user('ada', 'operator')).listNodes({ ...LIST, pageToken: 'wait' })
    await eventually('being served', () => waiting.length === 1)
    await watching(cluster.user('bob', 'viewer'))
    await eventually('bob is asked about again', () => asked.filter((name) => name === 'bob').length >= 3)
    waiting[0]!()
    await called
    expect(asked.filter((name) => name === 'ada')).toHaveLength(1)
  })

  test('who was removed is told so, whatever their certificate says and the RPC is', async () => {
    roll = () => Promise.reject(gone())
    const connection = open(server.address, cluster.user('ada', 'admin'))
    const watch = connection.serverStream(contract.watchNodes, {}, leave.signal)[Symbol.asyncIterator]()
    const duplex = connection.duplex(contract.heartbeat, () => {})
    duplex.send(beat)
    for (const refused of [connection.client(contract).getTrustBundle({}), watch.next(), duplex.ended]) {
      expect(await rejection(refused)).toMatchObject({ kind: 'unauthenticated', reason: 'USER_UNKNOWN' })
    }
    expect({ handled, begun }).toEqual({ handled: [], begun: 0 })
  })

  test('has the roles of the roll, where the certificate still gives more', async () => {
    roll = async () => ['viewer']
    const ada = cluster.user('ada', 'admin')
    await whoAmI(ada)
    expect(await rejection(clientOf(ada).listNodes(LIST))).toMatchObject({
      kind: 'permissionDenied',
      reason: 'CALLER_NOT_ALLOWED',
      message: 'this needs an operator with the role operator',
    })
    roll = async () => []
    expect((await rejection(whoAmI(ada))).kind).toBe('permissionDenied')
  })

  test('has no role that the certificate does not give; the roll is not even asked', async () => {
    roll = async () => ['admin']
    expect((await rejection(clientOf(cluster.user('ada', 'viewer')).listNodes(LIST))).kind).toBe('permissionDenied')
    expect(asked).toEqual([])
  })

  test('cannot call anew while the roll cannot be asked', async () => {
    roll = () => Promise.reject(away())
    const connection = open(server.address, cluster.user('ada', 'admin'))
    const watch = connection.serverStream(contract.watchNodes, {}, leave.signal)[Symbol.asyncIterator]()
    const duplex = connection.duplex(contract.heartbeat, () => {})
    duplex.send(beat)
    for (const refused of [connection.client(contract).getTrustBundle({}), watch.next(), duplex.ended]) {
      expect((await rejection(refused)).kind).toBe('unavailable')
    }
    expect({ handled, begun }).toEqual({ handled: [], begun: 0 })
  })
})

describe('whoever keeps the record', () => {
  test('is told of each call that its caller may not make, of any shape, and of no other', async () => {
    const node = open(server.address, cluster.node())
    await rejection(clientOf(cluster.anonymous()).listNodes(LIST))
    await rejection(clientOf(cluster.user('ada', 'viewer')).listNodes(LIST))
    await rejection(node.serverStream(contract.watchNodes, {}, leave.signal)[Symbol.asyncIterator]().next())
    await rejection(node.duplex(contract.heartbeat, () => {}).ended)
    await whoAmI(cluster.user('ada', 'viewer'))
    roll = () => Promise.reject(away())
    await rejection(whoAmI(cluster.user('ada', 'viewer')))
    roll = () => Promise.reject(gone())
    await rejection(whoAmI(cluster.user('ada', 'viewer')))
    expect(refused).toEqual([
      'anonymous ListNodes unauthenticated NO_IDENTITY',
      'user ListNodes permissionDenied CALLER_NOT_ALLOWED',
      'node WatchNodes permissionDenied CALLER_NOT_ALLOWED',
      'node Heartbeat permissionDenied CALLER_NOT_ALLOWED',
      'user GetTrustBundle unauthenticated USER_UNKNOWN',
    ])
  })
})

describe('the roll of people is not asked about', () => {
  test('whoever holds a break-glass certificate', async () => {
    roll = () => Promise.reject(away())
    const root = cluster.member({ kind: 'user', name: 'root', roles: ['admin', BREAK_GLASS] })
    await whoAmI(root)
    await clientOf(root).listNodes(LIST)
    await watching(root)
    await beating(root)
    expect(asked).toEqual([])
  })

  test('a break-glass certificate without the role, which is refused by that alone', async () => {
    const root = cluster.member({ kind: 'user', name: 'root', roles: ['viewer', BREAK_GLASS] })
    expect((await rejection(clientOf(root).listNodes(LIST))).kind).toBe('permissionDenied')
    expect(asked).toEqual([])
  })

  test('nodes, services, bots and nobody in particular, nor people where anyone may call', async () => {
    roll = () => Promise.reject(gone())
    await clientOf(cluster.node()).renewCertificate({})
    await clientOf(cluster.service('token-service')).removeNode({ nodeId: '' })
    await clientOf(cluster.anonymous()).register(JOIN)
    await clientOf(cluster.user('ada', 'admin')).register(JOIN)
    // As refused as they would be without a roll.
    for (const material of [cluster.node(), cluster.member({ kind: 'bot', name: 'ci', roles: ['admin'] })]) {
      expect((await rejection(whoAmI(material))).kind).toBe('permissionDenied')
    }
    expect((await rejection(whoAmI(cluster.anonymous()))).kind).toBe('unauthenticated')
    expect(asked).toEqual([])
  })

  test('anyone, if the service keeps none and asks none', async () => {
    const alone = await serveForTest({
      clusterName: cluster.clusterName,
      identity: cluster.service('registration-service'),
      services: [sampleService({ getTrustBundle: { ...sayWhoCalls, callers: operators('viewer') } })],
    })
    await open(alone.address, cluster.user('ada', 'viewer')).client(contract).getTrustBundle({})
    await alone.close()
  })
})

describe('an open stream', () => {
  test.each([
    ['was removed', () => Promise.reject(gone()), 'unauthenticated', 'USER_UNKNOWN'],
    ['lost the role for it', async () => [], 'permissionDenied', 'CALLER_NOT_ALLOWED'],
  ] satisfies [string, CurrentRoles, string, string][])(
    'of a person who %s ends, and its handler with it',
    async (_what, now, kind, reason) => {
      const ada = cluster.user('ada', 'viewer')
      const watch = await watching(ada)
      const { stream } = await beating(ada)
      expect(running).toBe(2)
      roll = now
      const refusals = await Promise.all([rejection(watch.next()), rejection(stream.ended)])
      for (const refused of refusals) expect(refused).toMatchObject({ kind, reason })
      await eventually('ended', () => running === 0)
    },
  )

  test('goes on while the roll cannot be asked, and ends once it can and says no', async () => {
    const ada = cluster.user('ada', 'viewer')
    const watch = await watching(ada)
    const { stream, answers } = await beating(ada)
    asked = []
    roll = () => Promise.reject(asked.length % 2 === 0 ? away() : new Error('a store failed'))
    await eventually('asked about both again and again', () => asked.length >= 6)
    stream.send(beat)
    await eventually('answered', () => answers() === 2)
    expect(running).toBe(2)
    roll = () => Promise.reject(gone())
    await Promise.all([rejection(watch.next()), rejection(stream.ended)])
  })

  test('ends when the roll could not be asked for half a minute: a removal may have gone unheard', async () => {
    const ada = cluster.user('ada', 'viewer')
    const [watch, { stream }] = [await watching(ada), await beating(ada)]
    asked = []
    roll = () => Promise.reject(away())
    await eventually('asked about both', () => asked.length >= 4)
    expect(running).toBe(2)
    aheadMs += 31_000
    for (const ended of [watch.next(), stream.ended]) expect((await rejection(ended)).kind).toBe('unavailable')
  })

  test('that has ended is not asked about any more', async () => {
    const { stream } = await beating(cluster.user('ada', 'viewer'))
    await stream.end()
    await eventually('logged', () => lines.some(({ msg }) => msg === 'call'))
    asked = []
    await beating(cluster.user('bob', 'viewer'))
    await eventually('asked about the other', () => asked.filter((name) => name === 'bob').length >= 3)
    expect(asked).not.toContain('ada')
  })
})

describe('streams of one person', () => {
  test('are 64 at most, which does not touch others; one that ends makes room for the next', async () => {
    const ada = cluster.user('ada', 'viewer')
    const connection = open(server.address, ada)
    const watch = (signal: AbortSignal) =>
      connection.serverStream(contract.watchNodes, {}, signal)[Symbol.asyncIterator]()
    const last = new AbortController()
    const firsts = Array.from({ length: 64 }, (_, i) => watch(i === 63 ? last.signal : leave.signal).next())
    await Promise.all(firsts)
    expect(await rejection(watch(leave.signal).next())).toMatchObject({
      kind: 'resourceExhausted',
      reason: 'TOO_MANY_STREAMS',
    })
    expect(refused).toEqual(['user WatchNodes resourceExhausted TOO_MANY_STREAMS'])
    expect(begun).toBe(64)
    await whoAmI(ada)
    await watching(cluster.user('bob', 'viewer'))
    last.abort()
    await eventually('ended', () => running === 64)
    await watching(ada)
  })
})

describe('while a person is being asked about', () => {
  const hello = (hostname: string) => ({
    message: { $case: 'hello' as const, value: { version: '', hostname, labels: {}, advertisedAddress: '', os: '' } },
  })

  test('what they send on a duplex waits, in order, also if they end it meanwhile', async () => {
    const release = heldRoll()
    const connection = open(server.address, cluster.user('ada', 'viewer'))
    const answers: number[] = []
    const stream = connection.duplex(contract.heartbeat, ({ settings }) => answers.push(settings!.intervalMs))
    const names = Array.from({ length: 20 }, (_, i) => `host-${i}`)
    for (const name of names) stream.send(hello(name))
    const ended = stream.end()
    // Over the same connection, so that what was sent before is there by the time of the answer.
    await connection.client(contract).register(JOIN)
    expect({ asked, handled }).toEqual({ asked: ['ada'], handled: [] })
    release()
    await ended
    await stream.ended
    expect(handled).toEqual(names)
    expect(answers).toHaveLength(20)
  })

  test('nothing of what they sent is handled if they are not let in', async () => {
    roll = async () => []
    const stream = open(server.address, cluster.user('ada', 'viewer')).duplex(contract.heartbeat, () => {})
    for (let i = 0; i < 20; i++) stream.send(hello('host'))
    expect((await rejection(stream.ended)).kind).toBe('permissionDenied')
    expect({ handled, begun }).toEqual({ handled: [], begun: 0 })
  })

  test.each(['a duplex', 'a server stream'])('nothing is begun for one who has left %s meanwhile', async (shape) => {
    const release = heldRoll()
    const connection = open(server.address, cluster.user('ada', 'viewer'))
    if (shape === 'a duplex') {
      const stream = connection.duplex(contract.heartbeat, () => {})
      stream.ended.catch(() => {})
      stream.send(beat)
      leave.signal.addEventListener('abort', () => stream.cancel())
    } else {
      const watch = connection.serverStream(contract.watchNodes, {}, leave.signal)[Symbol.asyncIterator]()
      watch.next().catch(() => {})
    }
    await eventually('asked about', () => asked.length === 1)
    leave.abort()
    await connection.client(contract).register(JOIN)
    release()
    await eventually('on record', () => lines.some(({ method }) => /WatchNodes|Heartbeat/.test(String(method))))
    expect({ handled, begun, asked }).toEqual({ handled: [], begun: 0, asked: ['ada'] })
  })
})
