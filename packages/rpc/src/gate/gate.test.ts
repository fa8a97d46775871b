import { once } from 'node:events'
import { Duplex } from 'node:stream'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { afterEach, describe, expect, test } from '@jest/globals'
import {
  connections,
  eventually,
  memoryLog,
  sampleService,
  sayWhoCalls,
  serveForTest,
  testCluster,
  whoAmI,
  type TestMaterial,
} from '@muster/testkit'
import { systemClock } from '@muster/runtime'
import { Registry } from 'prom-client'
import { anyone, newcomers } from '../server/callers.ts'
import type { RpcServer } from '../server/serve.ts'
import { DEFAULT_GATE_LIMITS, type GateLimits } from './limits.ts'

const cluster = testCluster()
const stranger = testCluster()
const { open, closeAll } = connections()
const { log, lines } = memoryLog()
let metrics: Registry
let server: RpcServer
let aheadMs = 0
const sockets: Socket[] = []

async function serve(limits: Partial<GateLimits> = {}, callers = anyone): Promise<void> {
  const sample = sampleService()
  const routes = { ...sample.routes, getTrustBundle: { ...sayWhoCalls, callers } }
  metrics = new Registry()
  server = await serveForTest({
    clusterName: cluster.clusterName,
    identity: cluster.service('registration-service'),
    services: [{ ...sample, routes }],
    clock: { ...systemClock, now: () => new Date(Date.now() + aheadMs) },
    gate: { ...DEFAULT_GATE_LIMITS, ...limits },
    log,
    metrics,
  })
}

afterEach(async () => {
  closeAll()
  for (const socket of sockets.splice(0)) socket.destroy()
  await server.close()
  lines.length = 0
  aheadMs = 0
})

function address() {
  const [host, port] = server.address.split(':')
  return { host: host!, port: Number(port) }
}

/** A TCP connection that says nothing. */
async function silent(localAddress = '127.0.0.2'): Promise<Socket> {
  const socket = connectTcp({ ...address(), localAddress })
  socket.on('error', () => {})
  socket.resume()
  sockets.push(socket)
  await once(socket, 'connect')
  return socket
}

function isClosed(socket: Socket): boolean {
  return socket.closed || socket.destroyed
}

/** A TLS connection from another source than the honest ones. Resolves once the handshake is done, rejects if it fails. */
async function handshake(material: TestMaterial, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const { own } = material
  const socket = connectTls({
    ...address(),
    ...({ localAddress: '127.0.0.2' } as object),
    ca: cluster.hostRootsPem,
    ALPNProtocols: ['h2'],
    checkServerIdentity: () => undefined,
    ...(own !== undefined && { key: own.keyPem, cert: own.chainPem }),
    ...options,
  })
  sockets.push(socket)
  await once(socket, 'secureConnect')
  socket.on('error', () => {})
  socket.resume()
  return socket
}

/** The first flight of a TLS client. */
async function clientHello(): Promise<Buffer> {
  return new Promise((resolve) => {
    const wire = new Duplex({ read: () => {}, write: (hello: Buffer) => resolve(hello) })
    connectTls({ socket: wire, ALPNProtocols: ['h2'] }).on('error', () => {})
  })
}

async function connectionsOf(kind: string): Promise<number> {
  const { values } = await metrics.getSingleMetric('muster_gate_connections')!.get()
  return values.find(({ labels }) => labels['kind'] === kind)!.value
}

async function refused(reason: string): Promise<number> {
  const { values } = await metrics.getSingleMetric('muster_gate_refused_total')!.get()
  return values.find(({ labels }) => labels['reason'] === reason)!.value
}

const warnings = () => lines.filter(({ event }) => event === 'gate.refused')

const honest = () => whoAmI(open(server.address, cluster.node()))

describe('key exchange', () => {
  test.each(['ffdhe2048', 'ffdhe8192', 'P-521', 'X448'])(
    'a client that offers %s alone for the key exchange is refused',
    async (group) => {
      await serve()
      await expect(handshake(cluster.anonymous(), { ecdhCurve: group })).rejects.toThrow(
        /handshake failure|alert|reset/i,
      )
    },
  )

  test.each(['X25519', 'P-256', 'P-384'])('a client that offers %s for the key exchange is accepted', async (group) => {
    await serve()
    expect((await handshake(cluster.anonymous(), { ecdhCurve: group })).getProtocol()).toBe('TLSv1.3')
  })
})

describe('certificates that do not verify', () => {
  const foreign = { ...stranger.node(), hostRootsPem: cluster.hostRootsPem }

  test('a source may show a few certificates that do not verify; then it is barred with one warning, and other sources are not', async () => {
    await serve({ badCertificates: 3 })
    for (let i = 0; i < 3; i++) await handshake(foreign)
    const last = await handshake(foreign)
    await eventually('cut', () => isClosed(last))
    const next = await silent().catch(() => undefined)
    await eventually('refused', () => next === undefined || isClosed(next))
    expect(await refused('barred')).toBe(1)
    expect(warnings()).toHaveLength(1)
    expect(await refused('bad-certificates')).toBe(1)
    expect(await honest()).toContain('/node/')
  })

  test('a bar ends when its time is over', async () => {
    await serve({ badCertificates: 0, barMs: 60_000 })
    await handshake(foreign)
    await eventually('barred', async () => (await refused('bad-certificates')) === 1)
    aheadMs = 61_000
    expect(isClosed(await handshake(cluster.anonymous()))).toBe(false)
  })

  test('a member whose certificate has expired is told so by its first calls', async () => {
    await serve()
    const ended = cluster.member({ kind: 'node', name: cluster.node().name, notAfter: new Date(Date.now() - 1_000) })
    expect(await whoAmI(open(server.address, ended))).toBe('anonymous')
  })

  test('a source from which a member is connected is not barred: its budget limits it', async () => {
    await serve({ badCertificates: 1, cpuPercentPerSource: 1 })
    const member = await handshake(cluster.node())
    await handshake(foreign)
    const bad = await handshake(foreign)
    await eventually('cut', () => isClosed(bad))
    expect(isClosed(member)).toBe(false)
    expect(await refused('bad-certificates')).toBe(1)
    await eventually('delayed', async () => {
      void handshake(foreign).catch(() => {})
      return (await refused('over-budget')) > 0
    })
    expect(await refused('barred')).toBe(0)
    expect(await honest()).toContain('/node/')
  })

  test('a chain of many certificates bars its source at once', async () => {
    await serve({ badCertificates: 1_000 })
    const long = { ...foreign, own: { ...foreign.own, chainPem: foreign.own.chainPem.repeat(20) } }
    const socket = await handshake(long)
    await eventually('cut', () => isClosed(socket))
    expect(await refused('bad-certificates')).toBe(1)
  })

  test('a bar ends the handshakes of its source that are under way, with one bar and one warning', async () => {
    await serve({ badCertificates: 0 })
    const underWay = [await silent(), await silent(), await silent()]
    const elsewhere = await silent('127.0.0.3')
    await handshake(foreign)
    await eventually('ended', () => underWay.every(isClosed))
    expect(isClosed(elsewhere)).toBe(false)
    expect(await refused('bad-certificates')).toBe(1)
    expect(warnings()).toHaveLength(1)
  })

  test('bars of many sources cause one warning, and each is counted', async () => {
    await serve({ badCertificates: 0 })
    for (let i = 2; i < 12; i++) await handshake(foreign, { localAddress: `127.0.0.${i}` } as object)
    await eventually('barred', async () => (await refused('bad-certificates')) === 10)
    expect(warnings()).toHaveLength(1)
  })

  test('a handshake that fails after more than our clients send counts as a bad certificate', async () => {
    await serve({ badCertificates: 2 })
    for (let i = 0; i < 3; i++) {
      const socket = await silent()
      socket.end(Buffer.concat([Buffer.from([22, 3, 1, 8_000 >> 8, 8_000 & 0xff]), Buffer.alloc(8_000)]))
      await eventually('cut', () => isClosed(socket))
    }
    await eventually('barred', async () => (await refused('bad-certificates')) === 1)
    expect(await refused('handshake-failed')).toBe(3)
  })

  test('a handshake that fails before that is counted in the metrics and bars no source', async () => {
    await serve({ badCertificates: 0 })
    const socket = await silent()
    socket.end(Buffer.alloc(100))
    await eventually('counted', async () => (await refused('handshake-failed')) === 1)
    expect(await refused('bad-certificates')).toBe(0)
    expect(warnings()).toEqual([])
  })

  test('a probe that connects and leaves is not counted', async () => {
    await serve()
    const socket = await silent()
    socket.end()
    await eventually('closed', () => isClosed(socket))
    expect(await honest()).toContain('/node/')
    expect(await refused('handshake-failed')).toBe(0)
  })
})

describe('connections that do nothing', () => {
  test('a connection that never begins TLS is closed', async () => {
    await serve({ handshakeTimeoutMs: 200 })
    const socket = await silent()
    await eventually('closed', () => isClosed(socket))
    expect(await refused('handshake-timeout')).toBe(1)
  })

  test('a connection of a stranger that makes no call is closed, one of a member stays open', async () => {
    await serve({ strangerIdleMs: 1_000 })
    const member = await handshake(cluster.node())
    const nobody = await handshake(cluster.anonymous())
    await eventually('closed', () => isClosed(nobody))
    expect(isClosed(member)).toBe(false)
  })
})

describe('a full gate', () => {
  test('a full gate ends the oldest stranger of the busiest source, and accepts honest callers', async () => {
    await serve({ connections: 8 })
    const member = await handshake(cluster.node(), { localAddress: '127.0.0.3' } as object)
    const idle: TLSSocket[] = []
    for (let i = 0; i < 10; i++) idle.push(await handshake(cluster.anonymous()))
    expect(await honest()).toContain('/node/')
    await eventually('evicted', () => isClosed(idle[0]!))
    expect(isClosed(member)).toBe(false)
    expect(warnings()).toHaveLength(1)
  })

  test('a gate full of silent connections ends the oldest one of the busiest source, and accepts honest callers', async () => {
    await serve({ connections: 8 })
    const idle: Socket[] = []
    for (let i = 0; i < 8; i++) idle.push(await silent())
    expect(await honest()).toContain('/node/')
    await eventually('evicted', () => isClosed(idle[0]!))
  })

  test('handshakes that stall after the ClientHello do not hold all turns while others wait', async () => {
    await serve({ handshakes: 4, handshakesPerSource: 2 })
    const hello = await clientHello()
    for (let i = 0; i < 4; i++) (await silent(`127.0.0.${2 + (i % 2)}`)).write(hello)
    await eventually('turns taken', async () => (await connectionsOf('handshake')) === 4)
    expect(await honest()).toContain('/node/')
    expect(await refused('handshake-too-slow')).toBeGreaterThan(0)
  })

  test('silent connections take no turns', async () => {
    await serve({ handshakes: 1 })
    const socket = await silent()
    socket.write(Buffer.of(22))
    expect(await honest()).toContain('/node/')
    expect(isClosed(socket)).toBe(false)
  })

  test('a peer that does not speak TLS is disconnected at once', async () => {
    await serve()
    const socket = await silent()
    socket.write('GET / HTTP/1.1\r\n\r\n')
    await eventually('closed', () => isClosed(socket))
    expect(await refused('handshake-failed')).toBe(1)
  })

  test('a ClientHello that comes byte by byte begins a handshake', async () => {
    await serve()
    const hello = await clientHello()
    const socket = await silent()
    let answer = Buffer.alloc(0)
    socket.on('data', (data: Buffer) => (answer = Buffer.concat([answer, data])))
    for (const byte of hello) await new Promise((written) => socket.write(Buffer.of(byte), written))
    await eventually('answered', () => answer.length > 500)
    expect(answer[0]).toBe(22)
  })

  test('a source has its own limit', async () => {
    await serve({ connectionsPerSource: 3 })
    const first = [await silent(), await silent(), await silent()]
    const fourth = await silent().catch(() => undefined)
    await eventually('refused', () => fourth === undefined || isClosed(fourth))
    expect(first.some(isClosed)).toBe(false)
    expect(await refused('source-full')).toBe(1)
    expect(await honest()).toContain('/node/')
  })

  test('silent connections of one source do not keep another from its handshake', async () => {
    await serve({ handshakes: 20, handshakesPerSource: 10 })
    for (let i = 0; i < 40; i++) await silent()
    expect(await honest()).toContain('/node/')
  })
})

describe('the CPU budget', () => {
  /** Calls until the gate ends the connection. */
  async function callTooOften(material: TestMaterial): Promise<void> {
    const connection = open(server.address, material)
    while ((await refused('over-budget')) === 0)
      await Promise.allSettled(Array.from({ length: 8 }, () => whoAmI(connection)))
  }

  test('a stranger who calls without end loses its connection, and a member at the same address does not', async () => {
    await serve({ cpuPercentPerSource: 1 })
    const member = await handshake(cluster.node(), { localAddress: '127.0.0.1' } as object)
    await callTooOften(cluster.anonymous())
    expect(warnings()).toHaveLength(1)
    expect(isClosed(member)).toBe(false)
    expect(isClosed(await handshake(cluster.node()))).toBe(false)
  })

  test('a node who calls without end loses its connection, and is named in the log; others do not', async () => {
    await serve({ cpuPercentPerSource: 1 })
    const busy = cluster.node()
    const member = await handshake(cluster.node(), { localAddress: '127.0.0.1' } as object)
    await callTooOften(busy)
    expect(warnings()[0]!['first']).toMatch(/^over-budget spiffe:.*\/node\//)
    expect(isClosed(member)).toBe(false)
    expect(await honest()).toContain('/node/')
  })

  test.each(['service', 'person'])('a %s may call without end', async (kind) => {
    await serve({ cpuPercentPerSource: 1 })
    const connection = open(
      server.address,
      kind === 'service' ? cluster.service('ca-service') : cluster.user('ann', 'admin'),
    )
    for (let i = 0; i < 100; i++) await Promise.all(Array.from({ length: 8 }, () => whoAmI(connection)))
    expect(await refused('over-budget')).toBe(0)
  })

  test('a stranger who sends bytes without end loses its connection', async () => {
    await serve({ cpuPercentPerSource: 1 })
    const socket = await handshake(cluster.anonymous())
    const unknownFrame = Buffer.from('000008fa0000000000' + '00'.repeat(8), 'hex')
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    socket.write(Buffer.from('000000040000000000', 'hex'))
    const flood = () => {
      while (!isClosed(socket) && socket.write(Buffer.concat(Array<Buffer>(1_000).fill(unknownFrame))));
      if (!isClosed(socket)) socket.once('drain', flood)
    }
    flood()
    await eventually('cut', () => isClosed(socket))
    expect(await refused('over-budget')).toBe(1)
  })

  test('handshakes of members are free for their source', async () => {
    await serve({ cpuPercentPerSource: 1 })
    for (let i = 0; i < 60; i++) expect(await whoAmI(open(server.address, cluster.node()))).toContain('/node/')
    expect(await refused('over-budget')).toBe(0)
  })

  test('newcomers who get in are free for their source', async () => {
    await serve({ cpuPercentPerSource: 1 }, newcomers)
    for (let i = 0; i < 60; i++) expect(await whoAmI(open(server.address, cluster.anonymous()))).toBe('anonymous')
    expect(await refused('over-budget')).toBe(0)
  })
})
