import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { registration } from '@muster/contracts'
import { eventually, manualClock, type ManualClock, testCluster, type Relay, startRelay } from '@muster/testkit'
import { serveForTest } from '@muster/testkit/rpc'
import { anyone, nodes } from '../server/callers.ts'
import { connect, type Connection } from './connect.ts'
import { memberOf } from '../tls/peer.ts'
import { bindService } from '../route.ts'
import type { RpcServer } from '../server/serve.ts'
import { TlsIdentity } from '../tls/tls-identity.ts'

const HOUR_MS = 3_600_000
const service = registration.RegistrationServiceService
const cluster = testCluster()
const { clusterName } = cluster
const hourFromNow = () => new Date(Date.now() + HOUR_MS)
const first = cluster.member({ kind: 'node', name: 'a', notAfter: hourFromNow() })
const second = cluster.member({ kind: 'node', name: 'a', privateKey: first.privateKey })

let clock: ManualClock
let server: RpcServer
let connection: Connection
let identity: TlsIdentity
const shown: string[] = []

beforeEach(async () => {
  shown.length = 0
  clock = manualClock()
  const unused = () => Promise.reject(new Error('not part of this test'))
  server = await serveForTest({
    clusterName,
    identity: cluster.service('registration-service'),
    clock,
    services: [
      bindService(service, {
        register: { callers: anyone, handle: unused },
        getTrustBundle: {
          callers: nodes,
          handle: async (_request, { peer }) => {
            shown.push(memberOf(peer).serial)
            return { trustBundle: undefined }
          },
        },
        renewCertificate: { callers: nodes, handle: unused },
        recoverCertificate: { callers: nodes, handle: unused },
        removeNode: { callers: nodes, handle: unused },
        banNode: { callers: nodes, handle: unused },
        unbanNode: { callers: nodes, handle: unused },
        heartbeat: {
          callers: nodes,
          handle: (stream, { peer }) =>
            new Promise(() => {
              stream.onMessage(() => {
                shown.push(memberOf(peer).serial)
              })
            }),
        },
        listNodes: { callers: nodes, handle: unused },
        watchNodes: { callers: nodes, handle: async function* () {} },
      }),
    ],
  })
  identity = new TlsIdentity(first)
  connection = connect({ addresses: [server.address], identity, service: 'registration-service', clusterName })
})
afterEach(async () => {
  connection.close()
  await server.close()
})

test('calls after a renewal present the new certificate, and succeed after the first one has expired', async () => {
  const client = connection.client(service)
  await client.getTrustBundle({})
  identity.update(second)
  await clock.advance(2 * HOUR_MS)
  await client.getTrustBundle({})
  expect(shown).toEqual([first.serial, second.serial])
})

test('a stream that is open at a renewal keeps its certificate', async () => {
  const stream = connection.duplex(service.heartbeat, () => {})
  stream.send({ message: { $case: 'beat', value: {} } })
  await eventually('the first beat heard', () => shown.length === 1)
  identity.update(second)
  await connection.client(service).getTrustBundle({})
  stream.send({ message: { $case: 'beat', value: {} } })
  await eventually('the second beat heard', () => shown.length === 3)
  expect(shown).toEqual([first.serial, second.serial, first.serial])
  await stream.end()
})

test('a call in progress at a renewal is answered', async () => {
  const client = connection.client(service)
  // It is not connected yet, so it still waits for its place on the connection.
  const waiting = client.getTrustBundle({})
  identity.update(second)
  await waiting
  expect(shown).toHaveLength(1)
})

describe('the connection of the former certificate', () => {
  let relay: Relay

  beforeEach(async () => {
    relay = await startRelay(server.address)
    connection = connect({ addresses: [relay.address], identity, service: 'registration-service', clusterName })
  })
  afterEach(() => relay.close())

  test('the connection of the former certificate closes at the renewal when no call is open', async () => {
    await connection.client(service).getTrustBundle({})
    expect(relay.open()).toBe(1)
    identity.update(second)
    await eventually('the former connection is closed', () => relay.open() === 0)
    await connection.client(service).getTrustBundle({})
    expect(relay.open()).toBe(1)
  })

  test('the connection of the former certificate closes when its last stream ends', async () => {
    const stream = connection.duplex(service.heartbeat, () => {})
    stream.send({ message: { $case: 'beat', value: {} } })
    await eventually('the beat heard', () => shown.length === 1)
    identity.update(second)
    await connection.client(service).getTrustBundle({})
    expect(relay.open()).toBe(2)
    stream.cancel()
    await eventually('the former connection is closed', () => relay.open() === 1)
    await connection.client(service).getTrustBundle({})
    expect(shown.slice(1)).toEqual([second.serial, second.serial])
  })
})

test('a closed connection takes no calls, whether or not its identity is renewed later', async () => {
  connection.close()
  identity.update(second)
  await expect(connection.client(service).getTrustBundle({})).rejects.toThrow()
  expect(shown).toEqual([])
})
