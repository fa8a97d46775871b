import { connect as http2Connect, type ClientHttp2Stream } from 'node:http2'
import { afterEach, expect, test } from '@jest/globals'
import { Server, ServerCredentials } from '../../grpc.ts'
import { limitReceiving, type ReceiveLimits } from './receive-limit.ts'

const closers: (() => void)[] = []
afterEach(() => closers.splice(0).forEach((close) => close()))

async function startEcho(timeoutMs: number, limits: Partial<ReceiveLimits> = {}): Promise<string> {
  const server = new Server({ interceptors: [limitReceiving({ timeoutMs, ...limits })] })
  const identity = (bytes: Buffer) => bytes
  const codec = {
    requestSerialize: identity,
    requestDeserialize: identity,
    responseSerialize: identity,
    responseDeserialize: identity,
  }
  server.addService(
    { echo: { path: '/test.Echo/Echo', requestStream: false, responseStream: false, ...codec } },
    { echo: (call: { request: Buffer }, reply: (error: null, value: Buffer) => void) => reply(null, call.request) },
  )
  closers.push(() => server.forceShutdown())
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    )
  })
  return `http://127.0.0.1:${port}`
}

function openCall(address: string): ClientHttp2Stream {
  const session = http2Connect(address)
  closers.push(() => session.destroy())
  return session.request({
    ':method': 'POST',
    ':path': '/test.Echo/Echo',
    'content-type': 'application/grpc',
    te: 'trailers',
  })
}

function statusOf(stream: ClientHttp2Stream): Promise<string> {
  return new Promise((resolve, reject) => {
    stream.on('response', (headers) => {
      if (headers['grpc-status'] !== undefined) resolve(String(headers['grpc-status']))
    })
    stream.on('trailers', (headers) => resolve(String(headers['grpc-status'])))
    stream.on('error', reject)
    stream.resume()
  })
}

test('a request that stops before its end is DEADLINE_EXCEEDED', async () => {
  const call = openCall(await startEcho(100))
  // A message of five bytes is announced, and four are sent.
  call.write(Buffer.from([0, 0, 0, 0, 5, 1, 2, 3, 4]))
  expect(await statusOf(call)).toBe('4')
})

test('a call that sends nothing is DEADLINE_EXCEEDED', async () => {
  expect(await statusOf(openCall(await startEcho(100)))).toBe('4')
})

test('a complete request is answered', async () => {
  const call = openCall(await startEcho(5_000))
  call.end(Buffer.from([0, 0, 0, 0, 2, 1, 2]))
  expect(await statusOf(call)).toBe('0')
})

test('the oldest of too many incomplete requests of one source ends, whichever connections they are on', async () => {
  const address = await startEcho(60_000, { pendingPerSource: 3 })
  const statuses: Promise<string>[] = []
  for (let i = 0; i < 4; i++) {
    const call = openCall(address)
    call.write(Buffer.from([0, 0, 0, 0, 5, 1, 2, 3, 4]))
    statuses.push(statusOf(call))
    call.on('error', () => {})
  }
  expect(await Promise.any(statuses)).toBe('8')
  const whole = openCall(address)
  whole.end(Buffer.from([0, 0, 0, 0, 2, 1, 2]))
  expect(await statusOf(whole)).toBe('0')
})
