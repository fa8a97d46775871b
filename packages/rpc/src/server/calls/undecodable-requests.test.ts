import { connect as http2Connect, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2'
import { deflateSync, gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { eventually, testCluster } from '@muster/testkit'
import { sampleService, sayWhoCalls, serveForTest, contract } from '@muster/testkit/rpc'
import { memoryLog } from '@muster/testkit/log'
import { Registry } from 'prom-client'
import { Metadata } from '../../grpc.ts'
import { decodeDetails } from '../../status-details.ts'
import { anyone, nodes } from '../callers.ts'
import type { RpcServer } from '../serve.ts'

const { log, lines } = memoryLog()
const metrics = new Registry()
let server: RpcServer
let session: ClientHttp2Session
let handled = 0

beforeAll(async () => {
  const cluster = testCluster()
  server = await serveForTest({
    clusterName: cluster.clusterName,
    identity: cluster.service('registration-service'),
    log,
    metrics,
    services: [
      sampleService({
        getTrustBundle: {
          callers: anyone,
          handle: (request, context) => {
            handled += 1
            return sayWhoCalls.handle(request, context)
          },
        },
        watchNodes: {
          callers: anyone,
          // oxlint-disable-next-line require-yield -- must not be reached
          handle: async function* () {
            handled += 1
          },
        },
        heartbeat: {
          callers: anyone,
          handle: (stream, { signal }) =>
            new Promise((resolve) => {
              signal.addEventListener('abort', () => resolve(), { once: true })
              stream.onMessage(() => (handled += 1))
            }),
        },
        listNodes: { callers: nodes, handle: async () => ({ nodes: [], nextPageToken: '' }) },
      }),
    ],
  })
  session = http2Connect(`https://${server.address}`, { rejectUnauthorized: false })
})
afterEach(() => {
  lines.length = 0
  handled = 0
  metrics.resetMetrics()
})
afterAll(async () => {
  session.destroy()
  await server.close()
})

/** A frame of gRPC: a flag, the length, the message. */
function frame(message: Buffer, { compressed = false, length = message.length } = {}): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt8(compressed ? 1 : 0, 0)
  head.writeUInt32BE(length, 1)
  return Buffer.concat([head, message])
}

interface Answer {
  code: string
  message: string
  reason: string | undefined
}

/** Sends these bytes as a whole request and gives the status that comes back. */
function send(path: string, bytes: Buffer, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    })
    const read = (received: IncomingHttpHeaders) => {
      if (received['grpc-status'] === undefined) return
      const metadata = Metadata.fromHttp2Headers(received)
      const { reason } = decodeDetails(metadata.get('grpc-status-details-bin')[0])
      resolve({ code: String(received['grpc-status']), message: decodeURI(String(received['grpc-message'])), reason })
    }
    stream.on('response', read)
    stream.on('trailers', read)
    stream.on('error', reject)
    stream.resume()
    stream.end(bytes)
  })
}

async function counted(method: string, code: string): Promise<number> {
  const names = ['muster_rpc_duration_seconds', 'muster_rpc_stream_duration_seconds']
  const text = (await Promise.all(names.map((name) => metrics.getSingleMetricAsString(name)))).join('\n')
  const labels = `{method="${method}",code="${code}"}`
  return Number(
    text
      .split('\n')
      .find((line) => line.includes(`_count${labels}`))
      ?.split(' ')[1] ?? 0,
  )
}

/** One line in the log, and one call counted. */
async function expectRecorded(method: string, code: string, reason: string | undefined, label = method): Promise<void> {
  await eventually('logged', () => lines.length > 0)
  expect(lines).toMatchObject([
    { level: 'info', msg: 'call refused', method, code, reason, peer: 'anonymous', remoteAddress: '127.0.0.1' },
  ])
  expect(await counted(label, code)).toBe(1)
}

const MALFORMED = Buffer.from('ffffffffffffffff', 'hex')
/** Field 1 says that ten bytes follow, and two do. */
const TRUNCATED = Buffer.from([0x0a, 0x0a, 1, 2])
const { getTrustBundle: unary, watchNodes: stream, heartbeat: duplex, listNodes } = contract

describe('a request that cannot be decoded', () => {
  test.each([
    ['a malformed message to a unary call', unary.path, frame(MALFORMED), {}],
    ['a truncated message to a unary call', unary.path, frame(TRUNCATED), {}],
    ['a malformed message to a server stream', stream.path, frame(MALFORMED), {}],
    ['a malformed message to a duplex', duplex.path, frame(MALFORMED), {}],
    [
      'a malformed message behind a good one to a duplex',
      duplex.path,
      Buffer.concat([frame(Buffer.of(0x12, 0)), frame(MALFORMED)]),
      {},
    ],
    ['a frame that ends early', unary.path, frame(Buffer.of(1, 2), { length: 9 }), {}],
    ['half the head of a frame', unary.path, Buffer.of(0, 0), {}],
    ['no message at all', unary.path, Buffer.of(), {}],
    ['no message at all to a server stream', stream.path, Buffer.of(), {}],
    ['two messages to a unary call', unary.path, Buffer.concat([frame(Buffer.of()), frame(Buffer.of())]), {}],
    ['an invalid timeout', unary.path, frame(Buffer.of()), { 'grpc-timeout': 'soon' }],
  ])(
    'a request that cannot be decoded is INVALID_ARGUMENT, recorded, and never handled: %s',
    async (_what, path, bytes, headers) => {
      expect(await send(path, bytes, headers)).toMatchObject({ code: '3', reason: 'REQUEST_MALFORMED' })
      expect(handled).toBe(_what.includes('behind a good one') ? 1 : 0)
      await expectRecorded(path, 'INVALID_ARGUMENT', 'REQUEST_MALFORMED')
    },
  )

  test('a request that cannot be decoded tells a caller without a certificate only that one is needed', async () => {
    expect(await send(listNodes.path, frame(MALFORMED))).toMatchObject({ code: '16', reason: 'NO_IDENTITY' })
    await expectRecorded(listNodes.path, 'UNAUTHENTICATED', 'NO_IDENTITY')
  })

  test('a request that cannot be decoded is recorded under the id that the caller gave', async () => {
    await send(unary.path, Buffer.of(), { 'muster-request-id': 'trace-1' })
    await eventually('logged', () => lines.length > 0)
    expect(lines[0]).toMatchObject({ requestId: 'trace-1', durationMs: expect.any(Number) })
  })
})

describe('a message over the size limit', () => {
  const large = Buffer.alloc(64 * 1024 + 1)

  test.each([
    ['to a unary call', unary.path, frame(large), {}],
    ['to a duplex', duplex.path, frame(large), {}],
  ])('a message over the size limit %s is RESOURCE_EXHAUSTED and recorded', async (_what, path, bytes, headers) => {
    expect(await send(path, bytes, headers)).toMatchObject({ code: '8', reason: 'REQUEST_TOO_LARGE' })
    await expectRecorded(path, 'RESOURCE_EXHAUSTED', 'REQUEST_TOO_LARGE')
  })
})

test.each([
  ['gzip', gzipSync(Buffer.of())],
  ['deflate', deflateSync(Buffer.of())],
  ['snappy', MALFORMED],
])('a request compressed by %s is UNIMPLEMENTED and recorded', async (encoding, bytes) => {
  const request = frame(bytes, { compressed: true })
  expect(await send(unary.path, request, { 'grpc-encoding': encoding })).toMatchObject({
    code: '12',
    reason: 'COMPRESSION_UNKNOWN',
  })
  expect(handled).toBe(0)
  await expectRecorded(unary.path, 'UNIMPLEMENTED', 'COMPRESSION_UNKNOWN')
})

test('a request whose deadline passes before it is complete is DEADLINE_EXCEEDED and recorded', async () => {
  const stream = session.request({
    ':method': 'POST',
    ':path': unary.path,
    'content-type': 'application/grpc',
    'grpc-timeout': '50m',
  })
  stream.resume()
  await eventually('logged', () => lines.length > 0)
  expect(lines).toMatchObject([{ level: 'warn', method: unary.path, code: 'DEADLINE_EXCEEDED' }])
  expect(await counted(unary.path, 'DEADLINE_EXCEEDED')).toBe(1)
  stream.destroy()
})

describe('a method that is not served', () => {
  test.each([
    ['of a service that is', unary.path.replace('GetTrustBundle', 'DropTables')],
    ['of no service', '/muster.nothing.v1.NothingService/DoNothing'],
    ['of no form', '/'],
    ['of a name that every object has', '/constructor'],
  ])('a method that is not served is UNIMPLEMENTED and recorded: %s', async (_what, path) => {
    expect(await send(path, frame(Buffer.of()))).toMatchObject({ code: '12', reason: 'METHOD_UNKNOWN' })
    await expectRecorded(path, 'UNIMPLEMENTED', 'METHOD_UNKNOWN', 'unknown')
  })

  test('a call of a method that is not served is answered at once, whatever the caller still sends', async () => {
    const bytes = Buffer.alloc(500_000)
    expect((await send('/nothing', bytes)).code).toBe('12')
  })

  test('a very long method name does not fill the log or the answer', async () => {
    const { message } = await send(`/${'x'.repeat(5_000)}`, frame(Buffer.of()))
    await eventually('logged', () => lines.length > 0)
    expect(JSON.stringify(lines).length).toBeLessThan(1_000)
    expect(message.length).toBeLessThan(400)
  })
})
