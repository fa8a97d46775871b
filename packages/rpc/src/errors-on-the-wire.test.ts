import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { AppError, type ErrorKind, receivedError } from '@muster/domain'
import { eventually, testCluster, type TestCluster } from '@muster/testkit'
import { serveForTest } from '@muster/testkit/rpc'
import { anyone, nodes } from './server/callers.ts'
import { isTrustFailure } from './client/explain-failure.ts'
import type { RpcServer, ServeOptions } from './server/serve.ts'
import { beat, connections, contract, rejection, sampleService } from '@muster/testkit/rpc'
import { memoryLog } from '@muster/testkit/log'

const { open, closeAll } = connections()
const { log, lines } = memoryLog()
const servers: RpcServer[] = []
let cluster: TestCluster
let thrown: unknown

beforeAll(() => {
  cluster = testCluster()
})
afterEach(async () => {
  closeAll()
  await Promise.all(servers.splice(0).map((server) => server.close()))
  lines.length = 0
})
afterAll(() => {
  thrown = undefined
})

async function serveThrowing(options: Partial<ServeOptions> = {}): Promise<RpcServer> {
  const { clusterName } = cluster
  const server = await serveForTest({
    clusterName,
    identity: cluster.service('registration-service'),
    log,
    services: [
      sampleService({
        getTrustBundle: {
          callers: anyone,
          handle: async () => {
            throw thrown
          },
        },
        heartbeat: {
          callers: anyone,
          handle: (stream) =>
            new Promise(() => {
              stream.onMessage(() => {
                throw thrown
              })
            }),
        },
        watchNodes: {
          callers: anyone,
          // oxlint-disable-next-line require-yield -- fails first
          handle: async function* () {
            throw thrown
          },
        },
      }),
    ],
    ...options,
  })
  servers.push(server)
  return server
}

/** A server whose handler calls the one behind it. */
async function serveFront(behind: string): Promise<RpcServer> {
  const toBehind = open(behind, cluster.service('token-service'), { clusterName: cluster.clusterName })
  const { clusterName } = cluster
  const front = await serveForTest({
    clusterName,
    identity: cluster.service('ca-service'),
    services: [
      sampleService({
        getTrustBundle: {
          callers: anyone,
          handle: (request, parent) => toBehind.client(contract).getTrustBundle(request, { parent }),
        },
      }),
    ],
  })
  servers.push(front)
  return front
}

describe('errors over two hops', () => {
  test.each<ErrorKind>([
    'invalidArgument',
    'unauthenticated',
    'permissionDenied',
    'notFound',
    'alreadyExists',
    'failedPrecondition',
    'aborted',
    'resourceExhausted',
    'unavailable',
    'deadlineExceeded',
  ])('an error of kind %s keeps kind, reason, field and message over two hops', async (kind) => {
    const front = await serveFront((await serveThrowing()).address)
    thrown = receivedError(kind, 'the token has expired: 100 % – ü', { reason: 'TOKEN_EXPIRED', field: 'token' })
    const client = open(front.address, cluster.anonymous(), { service: 'ca-service' }).client(contract)
    expect(await rejection(client.getTrustBundle({}))).toMatchObject({
      kind,
      reason: 'TOKEN_EXPIRED',
      field: 'token',
      message: 'the token has expired: 100 % – ü',
    })
  })

  test('an untrusted server behind another makes the one in front unavailable, not untrusted', async () => {
    const foreign = testCluster()
    const impostor = await serveThrowing({})
    await impostor.close()
    const untrusted = await serveForTest({
      clusterName: foreign.clusterName,
      identity: foreign.service('registration-service'),
      services: [sampleService()],
    })
    servers.push(untrusted)
    const front = await serveFront(untrusted.address)
    const client = open(front.address, cluster.anonymous(), { service: 'ca-service' }).client(contract)
    const error = await rejection(client.getTrustBundle({}))
    expect(error.kind).toBe('unavailable')
    expect(isTrustFailure(error)).toBe(false)
  })
})

describe('an unforeseen error', () => {
  const secret = () => new TypeError('CANARY: relation "tokens" is on fire', { cause: new Error('CANARY below') })

  async function expectOpaque(call: Promise<unknown>): Promise<void> {
    const error = await rejection(call)
    expect(error).toMatchObject({ kind: 'internal', message: 'internal error' })
    expect(JSON.stringify([error, error.cause])).not.toContain('CANARY')
  }

  function expectLoggedOnce(): void {
    const told = lines.filter((line) => JSON.stringify(line).includes('CANARY: relation'))
    expect(told).toHaveLength(1)
    expect(told[0]).toMatchObject({ level: 'error', msg: 'call failed', code: 'INTERNAL', peer: 'anonymous' })
    expect(told[0]).toMatchObject({
      err: { type: 'TypeError', stack: expect.stringContaining('.ts:'), cause: { message: 'CANARY below' } },
    })
  }

  test('an unforeseen error is opaque on the wire and logged once, in full, from a call', async () => {
    const server = await serveThrowing()
    thrown = secret()
    await expectOpaque(open(server.address, cluster.anonymous()).client(contract).getTrustBundle({}))
    expectLoggedOnce()
  })

  test('an unforeseen error is opaque on the wire and logged once, in full, from a duplex', async () => {
    const server = await serveThrowing()
    thrown = secret()
    const duplex = open(server.address, cluster.anonymous()).duplex(contract.heartbeat, () => {})
    duplex.send(beat)
    await expectOpaque(duplex.ended)
    expectLoggedOnce()
  })

  test('an unforeseen error is opaque on the wire and logged once, in full, from a server stream', async () => {
    const server = await serveThrowing()
    thrown = secret()
    const stream = open(server.address, cluster.anonymous()).serverStream(
      contract.watchNodes,
      {},
      new AbortController().signal,
    )
    await expectOpaque((stream as AsyncGenerator).next())
    expectLoggedOnce()
  })

  test('an unforeseen error may be a thrown value of any type', async () => {
    const server = await serveThrowing()
    for (const odd of ['CANARY', null, 42, { kind: 'notFound', message: 'CANARY' }]) {
      thrown = odd
      await expectOpaque(open(server.address, cluster.anonymous()).client(contract).getTrustBundle({}))
    }
  })

  test('an error of a store gets its kind from the service', async () => {
    const server = await serveThrowing({
      mapError: (error) => (error === thrown ? new AppError('unavailable', 'the database is away') : error),
    })
    thrown = new Error('CANARY')
    const error = await rejection(open(server.address, cluster.anonymous()).client(contract).getTrustBundle({}))
    expect(error).toMatchObject({ kind: 'unavailable', message: 'the database is away' })
  })
})

describe('the log', () => {
  test('the log has one line per call, with the name of the call and none of its content', async () => {
    const { clusterName } = cluster
    const server = await serveForTest({
      clusterName,
      identity: cluster.service('registration-service'),
      log,
      services: [
        sampleService({
          register: {
            callers: anyone,
            handle: async () => ({
              nodeId: 'CANARY',
              certificate: undefined,
              trustBundle: undefined,
              heartbeat: undefined,
              botName: '',
            }),
          },
          listNodes: { callers: nodes, handle: async () => ({ nodes: [], nextPageToken: '' }) },
        }),
      ],
    })
    servers.push(server)
    const request = {
      token: 'CANARY',
      csrDer: Buffer.from('CANARY'),
      hostname: 'CANARY',
      roles: ['CANARY'],
      advertisedAddress: 'CANARY',
      labels: { CANARY: 'CANARY' },
      version: 'CANARY',
    }
    await open(server.address, cluster.anonymous()).client(contract).register(request)
    const viewer = cluster.user('ada', 'viewer')
    await rejection(
      open(server.address, viewer)
        .client(contract)
        .listNodes({ pageSize: 0, pageToken: 'CANARY', tokenId: '', labels: {}, statuses: [], search: '' }),
    )
    await eventually('logged', () => lines.length === 2)
    expect(lines[0]).toMatchObject({
      level: 'debug',
      msg: 'call',
      method: contract.register.path,
      code: 'OK',
      peer: 'anonymous',
      remoteAddress: '127.0.0.1',
      durationMs: expect.any(Number),
      requestId: expect.stringMatching(/^[\w-]{36}$/),
    })
    expect(lines[1]).toMatchObject({
      level: 'info',
      msg: 'call refused',
      method: contract.listNodes.path,
      code: 'PERMISSION_DENIED',
      reason: 'CALLER_NOT_ALLOWED',
      peer: viewer.spiffeId,
    })
    expect(JSON.stringify(lines)).not.toContain('CANARY')
  })

  test('the log carries the same request id at each hop of a call', async () => {
    const behind = await serveThrowing()
    const front = await serveFront(behind.address)
    thrown = new AppError('notFound', 'x')
    const client = open(front.address, cluster.anonymous(), { service: 'ca-service' }).client(contract)
    await rejection(client.getTrustBundle({}))
    await rejection(client.getTrustBundle({}))
    await eventually('logged', () => lines.length === 2)
    expect(lines[0]!['requestId']).not.toBe(lines[1]!['requestId'])
    expect(lines[0]).toMatchObject({ peer: expect.stringContaining('/service/token-service') })
  })
})
