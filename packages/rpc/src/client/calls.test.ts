import { afterAll, describe, expect, test } from '@jest/globals'
import { eventually, testCluster } from '@muster/testkit'
import { connections, contract, sampleService, sayWhoCalls, serveForTest } from '@muster/testkit/rpc'
import type { BoundService } from '../route.ts'
import { anyone } from '../server/callers.ts'
import type { RpcServer } from '../server/serve.ts'

const cluster = testCluster()
const { open, closeAll } = connections()

const servers: RpcServer[] = []

afterAll(async () => {
  closeAll()
  await Promise.all(servers.map((server) => server.close()))
})

async function serve(service: BoundService): Promise<RpcServer> {
  const identity = cluster.service('registration-service')
  const server = await serveForTest({ clusterName: cluster.clusterName, identity, services: [service] })
  servers.push(server)
  return server
}

test('a server stream whose signal has aborted already is not opened', async () => {
  let calls = 0
  const watchNodes = {
    callers: anyone,
    handle: async function* () {
      calls += 1
      yield { event: { $case: 'snapshotComplete' as const, value: {} } }
    },
  }
  const server = await serve(sampleService({ watchNodes }))
  const connection = open(server.address, cluster.anonymous())
  const read = async (signal: AbortSignal) => {
    const messages: unknown[] = []
    for await (const message of connection.serverStream(contract.watchNodes, {}, signal)) messages.push(message)
    return messages.length
  }
  expect(await read(AbortSignal.abort())).toBe(0)
  expect(calls).toBe(0)
  expect(await read(new AbortController().signal)).toBe(1)
})

describe('a call on behalf of another', () => {
  /** A server whose handler calls one behind it, which waits until `release`. */
  async function serveChain(options: { endsWithParent?: boolean }) {
    const outcomes: string[] = []
    let arrived = 0
    let release = () => {}
    const released = new Promise<void>((resolve) => (release = resolve))
    const getTrustBundle: (typeof sayWhoCalls)['handle'] = async (request, context) => {
      arrived += 1
      await released
      return sayWhoCalls.handle(request, context)
    }
    const behind = await serve(sampleService({ getTrustBundle: { callers: anyone, handle: getTrustBundle } }))
    const toBehind = open(behind.address, cluster.service('token-service')).client(contract)
    const passOn: (typeof sayWhoCalls)['handle'] = async (request, parent) => {
      try {
        const answer = await toBehind.getTrustBundle(request, { parent, ...options })
        outcomes.push('done')
        return answer
      } catch (error) {
        outcomes.push('cut')
        throw error
      }
    }
    const front = await serve(sampleService({ getTrustBundle: { callers: anyone, handle: passOn } }))
    const client = open(front.address, cluster.anonymous()).client(contract)
    return { client, outcomes, release, hasArrived: () => arrived > 0 }
  }

  test.each([
    ['is cancelled', {}],
    ['runs out of time', { timeoutMs: 400 }],
  ])('a call on behalf of another goes on when that one %s', async (_how, options) => {
    const { client, outcomes, release, hasArrived } = await serveChain({})
    const leave = new AbortController()
    const call = client.getTrustBundle({}, { ...options, signal: leave.signal })
    await eventually('at the last server', hasArrived)
    if (!('timeoutMs' in options)) leave.abort()
    await expect(call).rejects.toThrow()
    release()
    await eventually('ended', () => outcomes.length === 1)
    expect(outcomes).toEqual(['done'])
  })

  test('a call on behalf of another that changes nothing ends when that one is cancelled', async () => {
    const { client, outcomes, release, hasArrived } = await serveChain({ endsWithParent: true })
    const leave = new AbortController()
    const call = client.getTrustBundle({}, { signal: leave.signal })
    await eventually('at the last server', hasArrived)
    leave.abort()
    await expect(call).rejects.toThrow()
    await eventually('ended', () => outcomes.length === 1)
    expect(outcomes).toEqual(['cut'])
    release()
  })
})
