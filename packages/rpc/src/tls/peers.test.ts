import { EventEmitter, on } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { manualClock, testCluster, type TestCluster } from '@muster/testkit'
import { serveForTest } from '@muster/testkit/rpc'
import type { Connection } from '../client/connect.ts'
import type { RpcServer } from '../server/serve.ts'
import { eventually } from '@muster/testkit'
import { connections, contract, rejection, sampleService, sayWhoCalls, whoAmI } from '@muster/testkit/rpc'
import { anyone } from '../server/callers.ts'

const HOUR_MS = 3_600_000
const NODE_ID = '0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e11'
const inHours = (hours: number) => new Date(Date.now() + hours * HOUR_MS)

const clock = manualClock()
const { open, closeAll } = connections()
let cluster: TestCluster
/** Each event is a message of the stream. */
const news = new EventEmitter()
const watchNodes: NonNullable<Parameters<typeof sampleService>[0]>['watchNodes'] = {
  callers: anyone,
  handle: async function* (_request, { signal }) {
    for await (const _ of on(news, 'news', { signal })) yield { event: { $case: 'snapshotComplete', value: {} } }
  },
}
let server: RpcServer

beforeAll(async () => {
  cluster = testCluster()
  server = await serveForTest({
    clusterName: cluster.clusterName,
    identity: cluster.service('registration-service'),
    services: [sampleService({ getTrustBundle: sayWhoCalls, watchNodes })],
    clock,
  })
})
afterAll(async () => {
  closeAll()
  await server.close()
})

describe('a server sees', () => {
  test('a server sees a caller without a certificate as anonymous', async () => {
    expect(await whoAmI(open(server.address, cluster.anonymous()))).toBe('anonymous')
  })

  test('a server sees a node, a service, a person and a bot as what their certificates say', async () => {
    const members = [
      cluster.node(NODE_ID),
      cluster.service('token-service'),
      cluster.user('ada', 'viewer'),
      cluster.member({ kind: 'bot', name: 'ci' }),
    ]
    for (const member of members) {
      expect(await whoAmI(open(server.address, member))).toBe(`${member.spiffeId} ${member.serial}`)
    }
  })
})

describe('certificates that give no identity', () => {
  const foreign = testCluster()

  test.each<[string, () => ReturnType<TestCluster['member']>]>([
    [
      'a certificate that has ended',
      () => cluster.member({ kind: 'node', name: NODE_ID, notBefore: inHours(-2), notAfter: inHours(-1) }),
    ],
    [
      'a certificate whose time has not come',
      () => cluster.member({ kind: 'node', name: NODE_ID, notBefore: inHours(1), notAfter: inHours(2) }),
    ],
    [
      'a certificate of a foreign CA of the same name',
      () => cluster.member({ kind: 'node', name: NODE_ID, signedBy: foreign.authorities.host.issuing }),
    ],
    [
      'a certificate signed by the root itself, but of a foreign one',
      () => cluster.member({ kind: 'node', name: NODE_ID, signedBy: foreign.authorities.host.root }),
    ],
    [
      'a certificate of the user CA that claims to be a node',
      () => cluster.member({ kind: 'node', name: NODE_ID, signedBy: cluster.authorities.user.issuing }),
    ],
    [
      'a certificate of the user CA that claims to be a service',
      () => cluster.member({ kind: 'service', name: 'ca-service', signedBy: cluster.authorities.user.issuing }),
    ],
    [
      'a certificate of the host CA that claims to be an operator',
      () => cluster.member({ kind: 'user', name: 'ada', roles: ['admin'], signedBy: cluster.authorities.host.issuing }),
    ],
    [
      'a certificate that names another cluster',
      () => cluster.member({ kind: 'node', name: NODE_ID, clusterName: 'other.internal' }),
    ],
  ])('%s gives no identity', async (_what, member) => {
    expect(await whoAmI(open(server.address, member()))).toBe('anonymous')
  })
})

describe('open connections', () => {
  let connection: Connection

  test('an open connection loses its identity when its certificate expires', async () => {
    const notAfter = new Date(clock.now().getTime() + HOUR_MS)
    const member = cluster.member({ kind: 'node', name: NODE_ID, notAfter })
    connection = open(server.address, member)
    expect(await whoAmI(connection)).toContain(NODE_ID)
    await clock.advance(HOUR_MS + 1_000)
    expect(await whoAmI(connection)).toBe('anonymous')
  })

  test('an open connection gets no more of a server stream when its certificate expires', async () => {
    const notAfter = new Date(clock.now().getTime() + HOUR_MS)
    const watcher = open(server.address, cluster.member({ kind: 'node', name: NODE_ID, notAfter }))
    const messages = watcher.serverStream(contract.watchNodes, {}, new AbortController().signal)
    const reader = messages[Symbol.asyncIterator]()
    const first = reader.next()
    await eventually('watching', () => news.listenerCount('news') === 1)
    news.emit('news')
    expect((await first).done).toBe(false)
    await clock.advance(HOUR_MS + 1_000)
    const next = rejection(reader.next())
    news.emit('news')
    expect(await next).toMatchObject({ kind: 'unauthenticated', reason: 'CERTIFICATE_EXPIRED' })
  })
})
