import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import type { registration } from '@muster/contracts'
import { eventually, testCluster, type TestCluster } from '@muster/testkit'
import { serveForTest } from '@muster/testkit/rpc'
import { X509Certificate } from 'node:crypto'
import tls from 'node:tls'
import { anyone } from '../server/callers.ts'
import type { RpcServer } from '../server/serve.ts'
import { beat, connections, contract, heartbeatAnswer, sampleService, sayWhoCalls, whoAmI } from '@muster/testkit/rpc'
import { TlsIdentity } from './tls-identity.ts'

const { open, closeAll } = connections()
let cluster: TestCluster
let identity: TlsIdentity
let server: RpcServer

beforeAll(async () => {
  cluster = testCluster()
  identity = new TlsIdentity(cluster.service('registration-service'))
  server = await serveForTest({
    clusterName: cluster.clusterName,
    identity,
    services: [
      sampleService({
        getTrustBundle: sayWhoCalls,
        heartbeat: {
          callers: anyone,
          handle: (stream, { signal }) =>
            new Promise((resolve) => {
              signal.addEventListener('abort', () => resolve(), { once: true })
              let messages = 0
              stream.onMessage(() => stream.send(heartbeatAnswer(++messages)))
            }),
        },
      }),
    ],
  })
})
afterEach(() => {
  closeAll()
})
afterAll(async () => {
  await server.close()
})

/** The serial of the certificate that the server shows to a new connection. */
function shownSerial(): Promise<string> {
  const [host, port] = server.address.split(':')
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host, port: Number(port), rejectUnauthorized: false, ALPNProtocols: ['h2'] })
    socket.on('error', reject)
    socket.on('secureConnect', () => {
      resolve(new X509Certificate(socket.getPeerCertificate().raw).serialNumber.toLowerCase())
      socket.destroy()
    })
  })
}

/** A heartbeat stream, and a check that it still works in both directions. */
function openStream(connection: ReturnType<typeof open>) {
  const answers: registration.HeartbeatResponse[] = []
  const stream = connection.duplex(contract.heartbeat, (answer: registration.HeartbeatResponse) => answers.push(answer))
  return {
    stream,
    async beats() {
      const before = answers.length
      stream.send(beat)
      await eventually('answered', () => answers.length === before + 1)
    },
  }
}

describe('a new certificate', () => {
  test('a new certificate of the server is shown from the next connection on, and open streams continue', async () => {
    const open1 = openStream(open(server.address, cluster.node()))
    await open1.beats()
    for (let i = 0; i < 3; i++) {
      const next = cluster.service('registration-service')
      identity.update(next)
      expect(await shownSerial()).toBe(next.serial)
      await open1.beats()
      expect(await whoAmI(open(server.address, cluster.anonymous()))).toBe('anonymous')
    }
  })

  test('a new certificate of the caller is shown from the next call on, and open streams continue', async () => {
    const first = cluster.node()
    const caller = new TlsIdentity(first)
    const connection = open(server.address, caller)
    const stream = openStream(connection)
    await stream.beats()
    expect(await whoAmI(connection)).toContain(first.serial)

    const second = cluster.member({ kind: 'node', name: first.name, roles: ['node'] })
    caller.update(second)
    expect(await whoAmI(connection)).toContain(second.serial)
    await stream.beats()

    const third = cluster.member({ kind: 'node', name: first.name, roles: ['node'] })
    caller.update(third)
    expect(await whoAmI(connection)).toContain(third.serial)
    await stream.beats()
  })

  test('a new certificate does not affect calls in progress', async () => {
    const caller = new TlsIdentity(cluster.node())
    const connection = open(server.address, caller)
    const calls = Array.from({ length: 20 }, () => {
      const call = whoAmI(connection)
      caller.update(cluster.node())
      return call
    })
    expect(await Promise.all(calls)).toHaveLength(20)
  })

  test('a new certificate and new roots on the server end the identity of callers that those roots do not certify', async () => {
    const other = testCluster(cluster.clusterName)
    const stranger = { ...other.node(), hostRootsPem: cluster.hostRootsPem }
    expect(await whoAmI(open(server.address, stranger))).toBe('anonymous')
    const own = cluster.service('registration-service')
    identity.update({ ...own, hostRootsPem: own.hostRootsPem + other.hostRootsPem })
    expect(await whoAmI(open(server.address, stranger))).toBe(`${stranger.spiffeId} ${stranger.serial}`)
    identity.update(own)
    expect(await whoAmI(open(server.address, stranger))).toBe('anonymous')
  })
})
