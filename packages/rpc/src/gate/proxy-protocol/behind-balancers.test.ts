import { once } from 'node:events'
import { describe, expect, test } from '@jest/globals'
import { eventually, testCluster, type TestMaterial } from '@muster/testkit'
import { whoAmI } from '@muster/testkit/rpc'
import {
  balancer,
  callers,
  clientHello,
  cluster,
  connectionsOf,
  handshake,
  honest,
  isClosed,
  openThrough,
  refused,
  sending,
  serve,
  warnings,
} from '../../../test/support/gated-server.ts'
import { binaryHeader, lineHeader, LOCAL_HEADER } from '../../../test/support/proxy-headers.ts'

const proxyProtocolFrom = ['127.0.0.2/32', '2001:db8::/32']
const foreign = { ...testCluster().node(), hostRootsPem: cluster.hostRootsPem }

/** TLS through a balancer that vouches for an address. */
async function handshakeFrom(address: string, material: TestMaterial = foreign) {
  const [host, port] = (await balancer(() => binaryHeader(address))).split(':')
  return handshake(material, { host: host!, port: Number(port), ...({ localAddress: '127.0.0.1' } as object) })
}

describe('a connection from a balancer', () => {
  test.each([
    ['version 2 with IPv4', binaryHeader('203.0.113.9'), '203.0.113.9'],
    ['version 2 with IPv6', binaryHeader('2001:db8::9'), '2001:db8::9'],
    ['version 1', lineHeader('203.0.113.9'), '203.0.113.9'],
    ['a balancer that speaks for itself', LOCAL_HEADER, '127.0.0.2'],
  ])('its calls come from the address of its header: %s', async (_name, header, address) => {
    await serve({ proxyProtocolFrom })
    const front = await balancer(() => header)
    for (const material of [cluster.node(), cluster.anonymous()]) await whoAmI(openThrough(front, material))
    expect(callers()).toEqual([address, address])
  })

  test('a header may come byte by byte, and the handshake with it or later', async () => {
    await serve({ proxyProtocolFrom })
    const [header, hello] = [binaryHeader('203.0.113.9'), await clientHello()]
    const whole = await sending(Buffer.concat([header, hello]))
    await once(whole, 'data')
    const slow = await sending(header.subarray(0, 1))
    for (const byte of header.subarray(1)) await new Promise((sent) => slow.write(Buffer.from([byte]), sent))
    expect(await connectionsOf('handshake')).toBe(1)
    slow.write(hello)
    await once(slow, 'data')
  })

  test('without a header it is refused, with a warning that names the balancer', async () => {
    await serve({ proxyProtocolFrom })
    const socket = await sending(await clientHello())
    await eventually('refused', () => isClosed(socket))
    expect(await refused('proxy-header')).toBe(1)
    expect(warnings()[0]).toMatchObject({ first: 'proxy-header balancer 127.0.0.2' })
    expect(await honest()).toContain('/node/')
  })

  test('a header that does not end is cut off when the handshake should have ended', async () => {
    await serve({ proxyProtocolFrom, handshakeTimeoutMs: 200 })
    const socket = await sending(binaryHeader('203.0.113.9').subarray(0, 20))
    await eventually('cut', () => isClosed(socket))
    expect(await refused('handshake-timeout')).toBe(1)
  })

  test('a probe that leaves after its header is not counted', async () => {
    await serve({ proxyProtocolFrom })
    const socket = await sending(LOCAL_HEADER)
    await eventually('open', async () => (await connectionsOf('all')) === 1)
    socket.end()
    await eventually('gone', async () => (await connectionsOf('all')) === 0)
    expect(await refused('handshake-failed')).toBe(0)
  })

  test('two peers with one address and port are two peers', async () => {
    await serve({ proxyProtocolFrom })
    const front = await balancer(() => binaryHeader('203.0.113.9'))
    const [first, second] = [openThrough(front, cluster.node()), openThrough(front, cluster.node())]
    expect(await whoAmI(first)).not.toBe(await whoAmI(second))
    expect(await connectionsOf('all')).toBe(2)
    first.close()
    await eventually('one left', async () => (await connectionsOf('all')) === 1)
    expect(await whoAmI(second)).toContain('/node/')
  })
})

describe('the limits of sources behind a balancer', () => {
  test('a peer is barred, and neither its balancer nor another peer is', async () => {
    await serve({ proxyProtocolFrom, badCertificates: 1 })
    for (let i = 0; i < 2; i++) await handshakeFrom('203.0.113.9')
    await eventually('barred', async () => (await refused('bad-certificates')) === 1)
    await expect(handshakeFrom('203.0.113.9')).rejects.toThrow()
    expect(await refused('barred')).toBe(1)
    expect(isClosed(await handshakeFrom('203.0.113.10', cluster.node()))).toBe(false)
  })

  test('a peer is barred with the address of its balancer, and the balancer is not', async () => {
    await serve({ proxyProtocolFrom, badCertificates: 0 })
    await handshakeFrom('127.0.0.2')
    await eventually('barred', async () => (await refused('bad-certificates')) === 1)
    expect(isClosed(await handshakeFrom('203.0.113.10', cluster.node()))).toBe(false)
  })

  test('a balancer that shows certificates that do not verify is not barred', async () => {
    await serve({ proxyProtocolFrom, badCertificates: 0 })
    const [host, port] = (await balancer(() => LOCAL_HEADER)).split(':')
    const to = { host: host!, port: Number(port), localAddress: '127.0.0.1' } as object
    for (let i = 0; i < 3; i++) expect(isClosed(await handshake(foreign, to))).toBe(false)
    expect(await refused('bad-certificates')).toBe(0)
  })

  test('each peer has places of its own', async () => {
    await serve({ proxyProtocolFrom, strangersPerSource: 1 })
    const first = await handshakeFrom('203.0.113.9', cluster.anonymous())
    const other = await handshakeFrom('203.0.113.10', cluster.anonymous())
    await handshakeFrom('203.0.113.9', cluster.anonymous())
    await eventually('evicted', () => isClosed(first))
    expect(isClosed(other)).toBe(false)
  })
})

test.each([
  ['version 1', lineHeader('203.0.113.9')],
  ['version 2', binaryHeader('203.0.113.9')],
])(
  'a header of %s from elsewhere is bytes that are no handshake, and a warning names its source',
  async (_name, header) => {
    await serve({ proxyProtocolFrom })
    const socket = await sending(Buffer.concat([header, await clientHello()]), '127.0.0.3')
    await eventually('refused', () => isClosed(socket))
    expect(await refused('handshake-failed')).toBe(1)
    expect(warnings()[0]).toMatchObject({ first: 'proxy-header 127.0.0.3' })
  },
)
