import { afterAll, expect, test } from '@jest/globals'
import { testCluster } from '@muster/testkit'
import { connections, contract, sampleService, serveForTest } from '@muster/testkit/rpc'
import { anyone } from '../server/callers.ts'
import type { RpcServer } from '../server/serve.ts'

const cluster = testCluster()
const { open, closeAll } = connections()

let server: RpcServer | undefined

afterAll(async () => {
  closeAll()
  await server?.close()
})

test('a server stream whose signal has aborted already is not opened', async () => {
  let calls = 0
  const watchNodes = {
    callers: anyone,
    handle: async function* () {
      calls += 1
      yield { event: { $case: 'snapshotComplete' as const, value: {} } }
    },
  }
  server = await serveForTest({
    clusterName: cluster.clusterName,
    identity: cluster.service('registration-service'),
    services: [sampleService({ watchNodes })],
  })
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
