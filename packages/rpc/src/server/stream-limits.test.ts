import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { eventually, testCluster } from '@muster/testkit'
import { beat, connections, contract, heartbeatAnswer, sampleService, serveForTest } from '@muster/testkit/rpc'
import { nodes } from './callers.ts'
import type { RpcServer } from './serve.ts'

const cluster = testCluster()
const { open, closeAll } = connections()
let server: RpcServer
let running = 0
/** Closing a connection does not end its streams. */
const opened: { cancel(): void }[] = []

beforeAll(async () => {
  server = await serveForTest({
    clusterName: cluster.clusterName,
    identity: cluster.service('registration-service'),
    services: [
      sampleService({
        heartbeat: {
          callers: nodes,
          handle: (stream, { signal }) =>
            new Promise<void>((resolve) => {
              running += 1
              signal.addEventListener('abort', () => {
                running -= 1
                resolve()
              })
              stream.onMessage(() => stream.send(heartbeatAnswer(1)))
            }),
        },
      }),
    ],
  })
})
afterEach(async () => {
  for (const stream of opened.splice(0)) stream.cancel()
  closeAll()
  await eventually('ended', () => running === 0)
})
afterAll(() => server.close())

async function beating(material = cluster.node()) {
  const stream = open(server.address, material).duplex(contract.heartbeat, () => {})
  opened.push(stream)
  let isOver = false
  const ended = stream.ended
    .then(
      () => 'ended',
      (error: { reason?: string }) => error.reason,
    )
    .finally(() => (isOver = true))
  const before = running
  stream.send(beat)
  await eventually('begun or refused', () => running > before || isOver)
  return { stream, ended }
}

test('a node has eight streams at most, whatever connections they are on, and another node still gets one', async () => {
  const node = cluster.node()
  const streams = []
  for (let i = 0; i < 8; i++) streams.push(await beating(node))
  expect(running).toBe(8)
  expect(await (await beating(node)).ended).toBe('TOO_MANY_STREAMS')
  await beating()
  expect(running).toBe(9)
})

test('a stream that ends makes room for another', async () => {
  const node = cluster.node()
  const streams = []
  for (let i = 0; i < 8; i++) streams.push(await beating(node))
  streams[0]!.stream.cancel()
  await eventually('ended', () => running === 7)
  await beating(node)
  expect(running).toBe(8)
})
