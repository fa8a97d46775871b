import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { connect as connectTcp } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { describe, expect, test } from '@jest/globals'
import { refusal } from '@muster/domain'
import { eventually, type TestMaterial } from '@muster/testkit'
import { whoAmI } from '@muster/testkit/rpc'
import {
  cluster,
  handshake,
  honest,
  isClosed,
  open,
  refused,
  serve,
  silent,
  warnings,
} from '../../test/support/gated-server.ts'
import { anyone, newcomers, operators } from '../server/callers.ts'

describe('the CPU budget', () => {
  /** Calls until the gate ends the connection. */
  async function callTooOften(material: TestMaterial): Promise<void> {
    const connection = open(material)
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

  test('a service may call without end', async () => {
    await serve({ cpuPercentPerSource: 1 })
    const connection = open(cluster.service('ca-service'))
    for (let i = 0; i < 100; i++) await Promise.all(Array.from({ length: 8 }, () => whoAmI(connection)))
    expect(await refused('over-budget')).toBe(0)
  })

  test('a person may call more than a node, and not without end', async () => {
    await serve({ cpuPercentPerSource: 1 })
    const person = cluster.user('ann', 'admin')
    const connection = open(person)
    // A node would be cut: this costs 416 ms by the table, and a node may owe 300.
    for (let i = 0; i < 40; i++) await Promise.all(Array.from({ length: 8 }, () => whoAmI(connection)))
    expect(await refused('over-budget')).toBe(0)
    await callTooOften(person)
    expect(warnings()[0]!['first']).toMatch(/^over-budget spiffe:.*\/user\/ann/)
  })

  test('a person whom the roll does not know is a stranger: its source pays, and is cut', async () => {
    const unknown = async () => {
      throw refusal('USER_LOCKED', 'an admin has locked you out')
    }
    await serve({ cpuPercentPerSource: 1 }, operators('viewer'), { currentRoles: unknown })
    const member = await handshake(cluster.node(), { localAddress: '127.0.0.1' } as object)
    const connection = open(cluster.user('ann', 'viewer'))
    while ((await refused('over-budget')) === 0)
      await Promise.allSettled(Array.from({ length: 8 }, () => whoAmI(connection)))
    expect(warnings()[0]!['first']).toBe('over-budget 127.0.0.1')
    expect(isClosed(member)).toBe(false)
  })

  test('a second connection from one port to another address of the host is reset, and the first stays in the budget', async () => {
    await serve({ cpuPercentPerSource: 1 }, anyone, { host: '0.0.0.0' })
    const first = await handshake(cluster.anonymous())
    const twin = connectTcp({
      host: '127.0.0.3',
      port: first.remotePort!,
      localAddress: '127.0.0.2',
      localPort: first.localPort!,
    })
    // The reset may come before or after the client knows of its connection.
    await once(twin, 'connect').catch(() => {})
    twin.destroy()
    const unknownFrame = Buffer.from('000008fa0000000000' + '00'.repeat(8), 'hex')
    first.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    first.write(Buffer.from('000000040000000000', 'hex'))
    const flood = () => {
      while (!isClosed(first) && first.write(Buffer.concat(Array<Buffer>(1_000).fill(unknownFrame))));
      if (!isClosed(first)) first.once('drain', flood)
    }
    flood()
    await eventually('cut', () => isClosed(first))
    expect(await refused('over-budget')).toBe(1)
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

  test('bytes that a stranger sends right before it leaves are charged to its source', async () => {
    await serve({ cpuPercentPerSource: 1 })
    const socket = await handshake(cluster.anonymous())
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    socket.end(Buffer.concat(Array<Buffer>(20_000).fill(Buffer.from('000008fa0000000000' + '00'.repeat(8), 'hex'))))
    await eventually('left', () => isClosed(socket))
    await eventually('delayed', async () => {
      void handshake(cluster.anonymous()).catch(() => {})
      return (await refused('over-budget')) > 0
    })
  })

  test('a stranger whose calls repeat costly metadata by a few bytes loses its connection', async () => {
    await serve({ cpuPercentPerSource: 1 })
    const socket = await handshake(cluster.anonymous())
    const session = connectHttp2('https://server', { createConnection: () => socket })
    session.on('error', () => {})
    const commas = Array<string>(4).fill(','.repeat(4_000))
    for (let calls = 0; calls < 25 && !session.destroyed; calls++) {
      const headers = { ':method': 'POST', ':path': '/a/b', 'content-type': 'application/grpc', 'a-bin': commas }
      const stream = session.request(headers).resume()
      stream.on('error', () => {})
      await new Promise((closed) => stream.end(Buffer.alloc(5)).once('close', closed))
    }
    await eventually('cut', () => isClosed(socket))
    expect(await refused('over-budget')).toBeGreaterThan(0)
  })

  test('a stranger who sends its first record byte by byte loses its connection', async () => {
    await serve({ cpuPercentPerSource: 0.1 })
    const socket = await silent()
    socket.setNoDelay(true)
    socket.write(Buffer.of(22, 3, 1, 64, 0))
    // Each turn of the event loop lets the server read one byte.
    for (let sent = 0; sent < 16_000 && !isClosed(socket); sent++) {
      socket.write(Buffer.of(0))
      await new Promise(setImmediate)
    }
    await eventually('cut', () => isClosed(socket))
    expect(await refused('over-budget')).toBe(1)
  })

  test('handshakes of members are free for their source', async () => {
    await serve({ cpuPercentPerSource: 1 })
    for (let i = 0; i < 60; i++) expect(await whoAmI(open(cluster.node()))).toContain('/node/')
    expect(await refused('over-budget')).toBe(0)
  })

  test('newcomers who get in are free for their source', async () => {
    await serve({ cpuPercentPerSource: 1 }, newcomers)
    for (let i = 0; i < 60; i++) expect(await whoAmI(open(cluster.anonymous()))).toBe('anonymous')
    expect(await refused('over-budget')).toBe(0)
  })

  test('a node may have 128 connections: one more ends the oldest, and other nodes keep theirs', async () => {
    await serve()
    const other = await handshake(cluster.node())
    const node = cluster.node()
    const held: TLSSocket[] = []
    for (let i = 0; i < 129; i++) held.push(await handshake(node))
    await eventually('ended', () => isClosed(held[0]!))
    expect(held.slice(1).some(isClosed)).toBe(false)
    expect(isClosed(other)).toBe(false)
    expect(await refused('evicted')).toBe(1)
  })

  test('a newcomer who gets in is refunded its own cost, and not that of others at its address', async () => {
    await serve({ cpuPercentPerSource: 1 }, newcomers)
    const newcomer = open(cluster.anonymous())
    await whoAmI(newcomer)
    const flood = await handshake(cluster.anonymous(), { localAddress: '127.0.0.1' } as object)
    flood.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' + '\0'.repeat(3) + '\x04' + '\0'.repeat(5))
    flood.write(Buffer.concat(Array<Buffer>(12_000).fill(Buffer.from('000008fa0000000000' + '00'.repeat(8), 'hex'))))
    const delayed = async (before: number) => {
      void handshake(cluster.anonymous(), { localAddress: '127.0.0.1' } as object).catch(() => {})
      return (await refused('over-budget')) > before
    }
    await eventually('over', () => delayed(0))
    for (let i = 0; i < 5; i++) await whoAmI(newcomer)
    const before = await refused('over-budget')
    await eventually('still over', () => delayed(before))
  })
})
