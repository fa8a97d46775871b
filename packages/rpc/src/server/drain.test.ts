import { afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import type { registration } from '@muster/contracts'
import { eventually, testCluster, type TestCluster } from '@muster/testkit'
import { serveForTest } from '@muster/testkit/rpc'
import { anyone } from './callers.ts'
import { createHealth } from './health.ts'
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

const health = createHealth([]).service.definition
const { open, closeAll } = connections()
let cluster: TestCluster
let server: RpcServer
let release = () => {}

beforeAll(() => {
  cluster = testCluster()
})
afterEach(async () => {
  release()
  closeAll()
  await server.close()
})

async function serve(drainTimeoutMs: number): Promise<void> {
  server = await serveForTest({
    clusterName: cluster.clusterName,
    identity: cluster.service('registration-service'),
    drainTimeoutMs,
    services: [
      sampleService({
        getTrustBundle: sayWhoCalls,
        register: {
          callers: anyone,
          handle: (_request, { signal }) =>
            new Promise((resolve, reject) => {
              // Listens to the signal by passing it on, as most handlers do.
              signal.addEventListener('abort', () => reject(signal.reason as Error))
              const answer = {
                nodeId: 'answered',
                certificate: undefined,
                trustBundle: undefined,
                heartbeat: undefined,
                botName: '',
              }
              release = () => resolve(answer)
            }),
        },
        heartbeat: {
          callers: anyone,
          // Ends only when it is told to, as a heartbeat does.
          handle: (stream, { signal }) =>
            new Promise((resolve) => {
              signal.addEventListener('abort', () => resolve(), { once: true })
              stream.onMessage(() => stream.send(heartbeatAnswer(1)))
            }),
        },
        watchNodes: {
          callers: anyone,
          handle: async function* (_request, { signal }) {
            yield { event: { $case: 'snapshotComplete', value: {} } }
            await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
          },
        },
      }),
    ],
  })
  server.health.set(true)
}

function register() {
  const request = {
    token: '',
    csrDer: Buffer.of(),
    hostname: '',
    roles: [],
    advertisedAddress: '',
    labels: {},
    version: '',
  }
  return open(server.address, cluster.anonymous()).client(contract).register(request)
}

async function millisecondsOf(work: Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await work
  return performance.now() - startedAt
}

describe('closing a server', () => {
  test('closing a server ends a server stream, a duplex and a health watch long before the drain timeout', async () => {
    await serve(60_000)
    const connection = open(server.address, cluster.anonymous())
    const never = new AbortController().signal

    const watch = connection.serverStream(contract.watchNodes, {}, never) as AsyncGenerator
    expect((await watch.next()).value).toMatchObject({ event: { $case: 'snapshotComplete' } })
    let answers = 0
    const duplex = connection.duplex(contract.heartbeat, (_answer: registration.HeartbeatResponse) => (answers += 1))
    duplex.send(beat)
    await eventually('answered', () => answers === 1)
    const states = connection.serverStream(health['Watch']!, { service: '' }, never) as AsyncGenerator<{
      status: string
    }>
    expect((await states.next()).value).toMatchObject({ status: 'SERVING' })

    const lastWatched = rejection(watch.next())
    const lastState = states.next().then(
      () => undefined,
      (error: unknown) => error,
    )
    const lastBeat = rejection(duplex.ended)
    expect(await millisecondsOf(server.close())).toBeLessThan(5_000)
    expect((await lastWatched).kind).toBe('unavailable')
    expect((await lastBeat).kind).toBe('unavailable')
    await lastState
  })

  test('closing a server waits for a call in progress and answers it', async () => {
    await serve(60_000)
    const call = register()
    let answered = false
    void call.then(() => (answered = true))
    const idle = release
    await eventually('being served', () => release !== idle)
    const closed = server.close()
    expect(answered).toBe(false)
    release()
    expect((await call).nodeId).toBe('answered')
    await closed
  })

  test('closing a server cuts calls that have not ended within the drain timeout', async () => {
    await serve(200)
    const idle = release
    const call = rejection(register())
    await eventually('being served', () => release !== idle)
    const tookMs = await millisecondsOf(server.close())
    expect(tookMs).toBeGreaterThan(150)
    expect(tookMs).toBeLessThan(5_000)
    expect((await call).kind).toBe('unavailable')
  })

  test('closing a server cuts a peer that opened a connection and sends nothing', async () => {
    await serve(200)
    const { connect } = await import('node:net')
    const [host, port] = server.address.split(':')
    const silent = connect(Number(port), host)
    silent.on('error', () => {})
    await new Promise((resolve) => silent.once('connect', resolve))
    expect(await millisecondsOf(server.close())).toBeLessThan(5_000)
    silent.destroy()
  })

  test('closing a server can be repeated, and the server accepts no more calls', async () => {
    await serve(1_000)
    expect(await whoAmI(open(server.address, cluster.anonymous()))).toBe('anonymous')
    const first = server.close()
    expect(server.close()).toBe(first)
    expect(server.health.serving).toBe(false)
    await first
    await server.close()
    expect((await rejection(whoAmI(open(server.address, cluster.anonymous())))).kind).toBe('unavailable')
  })
})

describe('a server that cannot listen', () => {
  test('the error of a server that cannot listen names the address', async () => {
    await serve(100)
    const second = serveForTest({
      clusterName: cluster.clusterName,
      identity: cluster.service('registration-service'),
      services: [],
      listenAddress: server.address,
    })
    await expect(second).rejects.toThrow(`cannot listen on ${server.address}`)
  })
})
