import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { describe, expect, test } from '@jest/globals'
import { eventually, testCluster } from '@muster/testkit'
import { whoAmI } from '@muster/testkit/rpc'
import {
  advance,
  clientHello,
  cluster,
  connectionsOf,
  handshake,
  honest,
  isClosed,
  open,
  refused,
  serve,
  silent,
  warnings,
} from '../../test/support/gated-server.ts'

const stranger = testCluster()

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
    advance(61_000)
    expect(isClosed(await handshake(cluster.anonymous()))).toBe(false)
  })

  test('a member whose certificate has expired is told so by its first calls', async () => {
    await serve()
    const ended = cluster.member({ kind: 'node', name: cluster.node().name, notAfter: new Date(Date.now() - 1_000) })
    expect(await whoAmI(open(ended))).toBe('anonymous')
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
