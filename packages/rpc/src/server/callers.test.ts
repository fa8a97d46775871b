import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { OperatorRole } from '@muster/domain'
import { testCluster, type TestCluster, type TestMaterial } from '@muster/testkit'
import { serveForTest } from '@muster/testkit/rpc'
import { anyone, assertAllowed, bots, nodes, operators, services, type Callers } from './callers.ts'
import type { Peer } from '../tls/peer.ts'
import type { BoundService } from '../route.ts'
import type { RpcServer } from './serve.ts'
import { beat, connections, contract, rejection, sampleService, sayWhoCalls } from '@muster/testkit/rpc'

function member(kind: 'node' | 'service' | 'user' | 'bot', name: string, ...roles: string[]): Peer {
  return {
    kind,
    name,
    roles,
    spiffeId: `spiffe://c/${kind}/${name}`,
    serial: '',
    notAfter: new Date(),
    publicKeyDer: Buffer.of(),
  }
}

const PEERS: Record<string, Peer> = {
  anonymous: { kind: 'anonymous' },
  node: member('node', 'n-1', 'node'),
  'node with the roles of an admin': member('node', 'n-2', 'admin', 'auth'),
  'node named like a service': member('node', 'token-service', 'auth'),
  bot: member('bot', 'ci', 'admin'),
  'node named like a bot': member('node', 'ci', 'bot'),
  'token-service': member('service', 'token-service', 'auth', 'admin'),
  'ca-service': member('service', 'ca-service', 'auth'),
  viewer: member('user', 'v', 'viewer'),
  operator: member('user', 'o', 'operator'),
  admin: member('user', 'a', 'admin'),
  'person with two roles': member('user', 'ab', 'viewer', 'operator'),
  'person without a role': member('user', 'x'),
  'person with roles of no meaning': member('user', 'y', 'constructor', 'node', 'ADMIN'),
  'person named like a service': member('user', 'token-service'),
}

const ALLOWED: [string, Callers | undefined, string[]][] = [
  ['anyone', anyone, Object.keys(PEERS)],
  ['nodes', nodes, ['node', 'node with the roles of an admin', 'node named like a service', 'node named like a bot']],
  ['bots', bots, ['bot']],
  ['token-service', services('token-service'), ['token-service']],
  ['two services', services('token-service', 'ca-service'), ['token-service', 'ca-service']],
  ['viewers', operators('viewer'), ['viewer', 'operator', 'admin', 'person with two roles']],
  ['operators', operators('operator'), ['operator', 'admin', 'person with two roles']],
  ['admins', operators('admin'), ['admin']],
  ['nobody, since there is no entry', undefined, []],
]

describe('a table that admits', () => {
  test.each(ALLOWED)('a table that admits %s admits no other caller', (_who, callers, allowed) => {
    for (const [name, peer] of Object.entries(PEERS)) {
      const outcome = outcomeFor(callers, peer)
      const mustShowIdentity = peer.kind === 'anonymous' && callers !== undefined
      const refusal = mustShowIdentity ? 'unauthenticated' : 'permissionDenied'
      expect([name, outcome]).toEqual([name, allowed.includes(name) ? 'allowed' : refusal])
    }
  })
})

function outcomeFor(callers: Callers | undefined, peer: Peer): string {
  try {
    assertAllowed(callers, peer)
    return 'allowed'
  } catch (error) {
    return (error as { kind: string }).kind
  }
}

describe('the table of callers on a server', () => {
  const { open, closeAll } = connections()
  let cluster: TestCluster
  let server: RpcServer
  const handled: string[] = []

  beforeAll(async () => {
    cluster = testCluster()
    const note = (name: string) => {
      handled.push(name)
    }
    const whole = sampleService({
      getTrustBundle: {
        callers: operators('operator'),
        handle: async (request, context) => {
          note('getTrustBundle')
          return sayWhoCalls.handle(request, context)
        },
      },
      heartbeat: { callers: nodes, handle: async () => note('heartbeat') },
      watchNodes: {
        callers: services('token-service'),
        // oxlint-disable-next-line require-yield -- ends at once
        handle: async function* () {
          note('watchNodes')
        },
      },
    })
    // A contract with RPCs that the table lacks; only a cast makes this possible.
    const { register: _register, listNodes: _listNodes, ...routes } = whole.routes
    const forgetful: BoundService = { definition: whole.definition, routes }
    server = await serveForTest({
      clusterName: cluster.clusterName,
      identity: cluster.service('registration-service'),
      services: [forgetful],
    })
  })
  afterAll(async () => {
    closeAll()
    await server.close()
  })

  async function outcomes(material: TestMaterial): Promise<Record<string, string>> {
    const connection = open(server.address, material)
    handled.length = 0
    const client = connection.client(contract)
    const unary = await client.getTrustBundle({}).then(
      () => 'allowed',
      (error: { kind: string }) => error.kind,
    )
    const duplex = connection.duplex(contract.heartbeat, () => {})
    duplex.send(beat)
    const stream = await duplex.ended.then(
      () => 'allowed',
      (error: { kind: string }) => error.kind,
    )
    const messages = connection.serverStream(contract.watchNodes, {}, new AbortController().signal) as AsyncGenerator
    const watch = await messages.next().then(
      () => 'allowed',
      (error: { kind: string }) => error.kind,
    )
    return { unary, stream, watch, handled: handled.join(' ') }
  }

  test('no handler runs for a caller that the table does not name, whatever the shape of the RPC', async () => {
    const refused = { unary: 'permissionDenied', stream: 'permissionDenied', watch: 'permissionDenied', handled: '' }
    expect(await outcomes(cluster.anonymous())).toEqual({
      unary: 'unauthenticated',
      stream: 'unauthenticated',
      watch: 'unauthenticated',
      handled: '',
    })
    expect(await outcomes(cluster.user('ada', 'viewer'))).toEqual(refused)
    expect(await outcomes(cluster.service('ca-service'))).toEqual(refused)
    expect(await outcomes(cluster.user('ada', 'operator'))).toEqual({
      ...refused,
      unary: 'allowed',
      handled: 'getTrustBundle',
    })
    expect(await outcomes(cluster.node())).toEqual({ ...refused, stream: 'allowed', handled: 'heartbeat' })
    expect(await outcomes(cluster.service('token-service'))).toEqual({
      ...refused,
      watch: 'allowed',
      handled: 'watchNodes',
    })
  })

  test.each<[string, () => TestMaterial]>([
    ['anonymous', () => cluster.anonymous()],
    ['a node', () => cluster.node()],
    ['a service', () => cluster.service('registration-service')],
    ['an admin', () => cluster.user('root', 'admin')],
  ])('an RPC that is missing from the table is refused to %s', async (_who, material) => {
    const client = open(server.address, material()).client(contract)
    const error = await rejection(
      client.listNodes({ pageSize: 0, pageToken: '', tokenId: '', labels: {}, statuses: [], search: '' }),
    )
    expect(error.kind).toBe('permissionDenied')
    expect(server.callers.has(contract.listNodes.path)).toBe(false)
  })

  test('a higher role includes the lower ones', async () => {
    for (const [role, expected] of [
      ['viewer', 'permissionDenied'],
      ['operator', 'allowed'],
      ['admin', 'allowed'],
    ] satisfies [OperatorRole, string][]) {
      expect((await outcomes(cluster.user('ada', role)))['unary']).toBe(expected)
    }
  })
})
