import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { registration } from '@muster/contracts'
import { AppError } from '@muster/domain'
import { eventually, testCluster, type TestCluster } from '@muster/testkit'
import { serveForTest } from '@muster/testkit/rpc'
import { Client, Metadata } from '../grpc.ts'
import { anyone } from './callers.ts'
import { RotatingChannelCredentials } from '../client/channel-credentials.ts'
import type { CallContext } from '../route.ts'
import type { RpcServer } from './serve.ts'
import {
  beat,
  connections,
  contract,
  heartbeatAnswer,
  rejection,
  sampleService,
  sayWhoCalls,
  whoAmI,
} from '@muster/testkit/rpc'
import { memoryLog } from '@muster/testkit/log'
import { TlsIdentity } from '../tls/tls-identity.ts'

const { open, closeAll } = connections()
const { log, lines } = memoryLog()
let cluster: TestCluster
let server: RpcServer
let lastContext: CallContext | undefined
/** The time that the call had left when it arrived. */
let lastRestMs = 0
let failures = 0
let tries = 0
let answersPerBeat = 1

beforeAll(async () => {
  cluster = testCluster()
  server = await serveForTest({
    clusterName: cluster.clusterName,
    identity: cluster.service('registration-service'),
    log,
    services: [
      sampleService({
        getTrustBundle: sayWhoCalls,
        register: {
          callers: anyone,
          handle: async (request, context) => {
            lastContext = context
            lastRestMs = context.deadlineMs - Date.now()
            return {
              nodeId: request.hostname,
              certificate: undefined,
              trustBundle: undefined,
              heartbeat: undefined,
              botName: '',
            }
          },
        },
        listNodes: {
          callers: anyone,
          handle: async (_request, context) => {
            lastContext = context
            tries += 1
            if (tries <= failures) throw new AppError('unavailable', 'not now')
            return { nodes: [], nextPageToken: '' }
          },
        },
        renewCertificate: {
          callers: anyone,
          handle: (_request, context) => {
            lastContext = context
            return new Promise(() => {})
          },
        },
        heartbeat: {
          callers: anyone,
          handle: (stream, context) =>
            new Promise((resolve) => {
              lastContext = context
              context.signal.addEventListener('abort', () => resolve(), { once: true })
              stream.onMessage(() => {
                for (let i = 0; i < answersPerBeat; i++) stream.send(heartbeatAnswer(5_000))
              })
            }),
        },
      }),
    ],
  })
})
afterAll(async () => {
  closeAll()
  await server.close()
})

function joinRequest(overrides: Partial<registration.RegisterRequest> = {}): registration.RegisterRequest {
  const empty = {
    token: '',
    csrDer: Buffer.of(),
    hostname: 'web',
    roles: [],
    advertisedAddress: '',
    labels: {},
    version: '',
  }
  return { ...empty, ...overrides }
}

function rawClient(): Client {
  const credentials = new RotatingChannelCredentials({
    identity: new TlsIdentity(cluster.anonymous()),
    service: 'registration-service',
    check: () => undefined,
    attemptLimitMs: 10_000,
  })
  return new Client(`dns:///${server.address}`, credentials)
}

describe('a request', () => {
  test('a request of at most 64 KiB is accepted; a larger one is refused, and the server keeps serving', async () => {
    const client = open(server.address, cluster.anonymous()).client(contract)
    expect((await client.register(joinRequest({ csrDer: Buffer.alloc(64_000) }))).nodeId).toBe('web')
    const large = joinRequest({ csrDer: Buffer.alloc(64 * 1024 + 1) })
    lastContext = undefined
    expect((await rejection(client.register(large))).kind).toBe('resourceExhausted')
    expect(lastContext).toBeUndefined()
    expect((await client.register(joinRequest())).nodeId).toBe('web')
  })

  test('a request of many megabytes is refused without being held in memory', async () => {
    const client = open(server.address, cluster.anonymous()).client(contract)
    expect((await rejection(client.register(joinRequest({ token: 'x'.repeat(20_000_000) })))).kind).not.toBe('internal')
    expect((await client.register(joinRequest())).nodeId).toBe('web')
  })

  test('a request in a stream has the same size limit', async () => {
    const stream = open(server.address, cluster.anonymous()).duplex(contract.heartbeat, () => {})
    stream.send(beat)
    const hello = { version: 'x'.repeat(70_000), hostname: '', labels: {}, advertisedAddress: '', os: '' }
    stream.send({ message: { $case: 'hello', value: hello } })
    await rejection(stream.ended)
    expect(await whoAmI(open(server.address, cluster.anonymous()))).toBe('anonymous')
  })

  test('a request that is not a message of the contract is refused, and the server keeps serving', async () => {
    const client = rawClient()
    const code = await new Promise((resolve) => {
      const send = () => Buffer.from('ffffffffffffffff', 'hex')
      client.makeUnaryRequest(
        contract.register.path,
        send,
        () => undefined,
        {},
        new Metadata(),
        (error) => resolve(error?.code),
      )
    })
    expect(code).toBe(3)
    client.close()
    expect(await whoAmI(open(server.address, cluster.anonymous()))).toBe('anonymous')
  })

  test('a request for an unknown RPC is refused', async () => {
    const client = rawClient()
    const error = await new Promise<{ code: number } | null>((resolve) => {
      const path = contract.register.path.replace('Register', 'DropTables')
      client.makeUnaryRequest(
        path,
        () => Buffer.of(),
        () => undefined,
        {},
        new Metadata(),
        resolve,
      )
    })
    expect(error?.code).toBe(12)
    client.close()
  })

  test('a request with a request id keeps it, unless it could forge a log line', async () => {
    const client = rawClient()
    const send = (id: string) => {
      const metadata = new Metadata()
      metadata.set('muster-request-id', id)
      return new Promise<void>((resolve) => {
        client.makeUnaryRequest(
          contract.register.path,
          contract.register.requestSerialize,
          contract.register.responseDeserialize,
          joinRequest(),
          metadata,
          () => resolve(),
        )
      })
    }
    await send('trace-1')
    expect(lastContext!.requestId).toBe('trace-1')
    await send('"} {"level":"error')
    expect(lastContext!.requestId).toMatch(/^[\w-]{36}$/)
    await send('x'.repeat(65))
    expect(lastContext!.requestId).toMatch(/^[\w-]{36}$/)
    client.close()
  })
})

describe('a reader', () => {
  test('a reader that does not read is disconnected', async () => {
    const client = rawClient()
    const call = client.makeBidiStreamRequest(
      contract.heartbeat.path,
      contract.heartbeat.requestSerialize,
      contract.heartbeat.responseDeserialize,
    )
    call.on('error', () => {})
    lines.length = 0
    answersPerBeat = 20
    // It keeps beating and never reads an answer. Unread answers fill 64 KiB and a few buffers.
    await eventually(
      'cut',
      async () => {
        call.write(beat)
        await new Promise((resolve) => setImmediate(resolve))
        return lines.some((line) => line['code'] === 'RESOURCE_EXHAUSTED')
      },
      { everyMs: 0 },
    )
    answersPerBeat = 1
    expect(lastContext!.signal.aborted).toBe(true)
    call.cancel()
    client.close()
    expect(await whoAmI(open(server.address, cluster.anonymous()))).toBe('anonymous')
  })

  test('a reader that reads stays connected, however much it is sent', async () => {
    let answers = 0
    const stream = open(server.address, cluster.anonymous()).duplex(contract.heartbeat, () => (answers += 1))
    for (let i = 0; i < 5_000; i++) {
      stream.send(beat)
      if (i % 50 === 49) await eventually('answered', () => answers === i + 1)
    }
    expect(answers).toBe(5_000)
    await stream.end()
  })
})

describe('calls', () => {
  test('a call ends with DEADLINE_EXCEEDED when its deadline passes', async () => {
    const client = open(server.address, cluster.anonymous()).client(contract)
    const startedAt = performance.now()
    const error = await rejection(client.renewCertificate({}, { timeoutMs: 150 }))
    expect(error.kind).toBe('deadlineExceeded')
    expect(performance.now() - startedAt).toBeLessThan(5_000)
  })

  test("a call is cancelled when its caller aborts it, and its handler's signal aborts", async () => {
    const stop = new AbortController()
    const client = open(server.address, cluster.anonymous()).client(contract)
    lastContext = undefined
    const call = rejection(client.renewCertificate({}, { signal: stop.signal }))
    await eventually('being served', () => lastContext !== undefined)
    const { signal } = lastContext!
    expect(signal.aborted).toBe(false)
    stop.abort()
    expect((await call).kind).toBe('unavailable')
    await eventually('told', () => signal.aborted)
  })

  test('a call does not start after its caller aborted it', async () => {
    lastContext = undefined
    const client = open(server.address, cluster.anonymous()).client(contract)
    await rejection(client.renewCertificate({}, { signal: AbortSignal.abort() }))
    expect(lastContext).toBeUndefined()
  })

  test('a call is attempted three times on UNAVAILABLE if it may be retried, otherwise once', async () => {
    const list = (retryUnavailable: boolean) =>
      open(server.address, cluster.anonymous(), { retryUnavailable })
        .client(contract)
        .listNodes({ pageSize: 0, pageToken: '', tokenId: '', labels: {}, statuses: [], search: '' })
    tries = 0
    failures = 2
    expect((await list(true)).nodes).toEqual([])
    expect(tries).toBe(3)
    tries = 0
    failures = 3
    expect((await rejection(list(true))).kind).toBe('unavailable')
    expect(tries).toBe(3)
    tries = 0
    failures = 1
    expect((await rejection(list(false))).kind).toBe('unavailable')
    expect(tries).toBe(1)
  })
})

describe('a deadline', () => {
  let front: RpcServer
  let frontContext: CallContext | undefined
  let frontRestMs = 0

  beforeAll(async () => {
    const toServer = open(server.address, cluster.service('token-service'), { clusterName: cluster.clusterName })
    front = await serveForTest({
      clusterName: cluster.clusterName,
      identity: cluster.service('ca-service'),
      services: [
        sampleService({
          register: {
            callers: anyone,
            handle: (request, parent) => {
              frontContext = parent
              frontRestMs = parent.deadlineMs - Date.now()
              return toServer.client(contract).register(request, { parent, endsWithParent: true })
            },
          },
        }),
      ],
    })
  })
  afterAll(async () => {
    await front.close()
  })

  const toFront = () => open(front.address, cluster.anonymous(), { service: 'ca-service' }).client(contract)

  test('a deadline is shorter at each hop', async () => {
    await toFront().register(joinRequest(), { timeoutMs: 5_000 })
    expect(frontRestMs).toBeLessThanOrEqual(5_000)
    expect(frontRestMs).toBeGreaterThan(3_000)
    // gRPC carries a deadline as the time that is left, in whole milliseconds; 20 of them stay with the hop before.
    expect(lastRestMs).toBeLessThanOrEqual(frontRestMs - 15)
    expect(lastRestMs).toBeGreaterThan(2_500)
  })

  test('a deadline is at most 30 seconds away, whatever the caller requests', async () => {
    await toFront().register(joinRequest(), { timeoutMs: 600_000 })
    expect(frontContext!.deadlineMs).toBeLessThanOrEqual(Date.now() + 30_000)
    expect(lastContext!.deadlineMs).toBeLessThanOrEqual(Date.now() + 30_000 - 15)
  })

  test('a deadline that is too near stops the next hop from starting', async () => {
    await toFront().register(joinRequest())
    lastContext = undefined
    const error = await rejection(toFront().register(joinRequest(), { timeoutMs: 110 }))
    expect(error.kind).toBe('deadlineExceeded')
    expect(lastContext).toBeUndefined()
  })
})
