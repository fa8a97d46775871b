import { connect as tcpConnect } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { splitAddress } from '@muster/domain'
import { fetchPinnedRoot } from '@muster/rpc'
import { VERSION } from '@muster/runtime'
import { eventually, testCluster } from '@muster/testkit'
import { startWebFace, type WebFace } from '../test/support/web-face.ts'

let web: WebFace

beforeAll(async () => {
  const channels = 'stable=0.0.9,canary=v1.2.3-rc.1'
  web = await startWebFace(async () => ({ MUSTER_CHANNELS: channels, MUSTER_MINIMUM_AGENT_VERSION: '0.0.5' }))
})
afterAll(() => web.life.close())

describe('the web face', () => {
  test.each(['/webapi/ping', '/v1/webapi/ping'])(
    '%s names the cluster, its versions and its addresses',
    async (url) => {
      const { status, headers, text } = await web.ask(url)
      expect([status, headers['content-type']]).toEqual([200, 'application/json; charset=utf-8'])
      expect(JSON.parse(text)).toEqual({
        cluster_name: web.cluster.clusterName,
        server_version: VERSION,
        min_client_version: '0.0.5',
        addresses: { web: 'web.example:3080', registration: 'web.example:3025' },
      })
    },
  )

  test.each([
    ['default', 200, `v${VERSION}`],
    ['stable', 200, 'v0.0.9'],
    ['canary', 200, 'v1.2.3-rc.1'],
    ['other', 404, 'no such channel\n'],
    ['__proto__', 404, 'no such channel\n'],
  ])('the channel %s gives %d and %j', async (name, status, text) => {
    for (const prefix of ['/webapi', '/v1/webapi']) {
      expect(await web.ask(`${prefix}/automaticupgrades/channel/${name}/version`)).toMatchObject({ status, text })
    }
  })

  test('/bundle.pem holds the roots that vouch for nodes and services', async () => {
    const { status, text } = await web.ask('/bundle.pem')
    expect([status, text]).toEqual([200, web.cluster.hostRootsPem])
  })

  test('a node that takes the web face for registration-service is told which service it has met', async () => {
    const wanted = { address: web.address, pins: [web.cluster.pin], service: 'registration-service' } as const
    await expect(fetchPinnedRoot(wanted)).rejects.toThrow(
      'that is web-service; nodes, bots and people join registration-service, usually port 3025',
    )
  })

  test('a revocation list and an unknown path are not found', async () => {
    for (const url of ['/crl/host.crl', '/', '/webapi', '/%2e%2e/etc/passwd', '/bundle.pem/x']) {
      expect((await web.ask(url)).status).toBe(404)
    }
  })

  test('a request other than GET and HEAD is refused, and so is one with a body', async () => {
    expect((await web.ask('/webapi/ping', { method: 'HEAD' })).status).toBe(200)
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      expect((await web.ask('/webapi/ping', { method })).status).toBe(405)
    }
    expect((await web.ask('/webapi/ping', { body: 'x', headers: { 'content-length': '1' } })).status).toBe(400)
  })

  test('every answer has strict headers, and none tells browsers to insist on a certificate that they do not know', async () => {
    for (const url of ['/webapi/ping', '/bundle.pem', '/nothing']) {
      const { headers } = await web.ask(url)
      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'referrer-policy': 'no-referrer',
        'content-security-policy': expect.stringContaining("default-src 'none'"),
      })
      expect(headers).not.toHaveProperty('strict-transport-security')
      expect(headers).not.toHaveProperty('server')
    }
  })

  test('a request is logged by its route, never by its path, and counted', async () => {
    const before = web.lines.length
    await web.ask('/nothing/CANARY-a-pasted-invitation?token=CANARY')
    const logged = () => web.lines.slice(before).filter(({ event }) => event === 'web.request')
    await eventually('logged', () => logged().length > 0)
    expect(logged()[0]).toMatchObject({ method: 'GET', route: 'unknown', status: 404, remoteAddress: '127.0.0.1' })
    expect(JSON.stringify(web.lines)).not.toContain('CANARY')
    const metrics = await (await fetch(`http://${web.diagnosticsAddress}/metrics`)).text()
    expect(metrics).toMatch(/muster_web_request_duration_seconds_count\{[^}]*route="unknown",status="404"\} \d/)
    expect(metrics).not.toContain('CANARY')
  })

  test('the web face is ready, and shows the certificate of web-service of its cluster', async () => {
    const readiness = async () => (await fetch(`http://${web.diagnosticsAddress}/readyz`)).status
    await eventually('ready', async () => (await readiness()) === 200)
    await expect(web.ask('/webapi/ping', { ca: testCluster().hostRootsPem })).rejects.toThrow(/certificate/)
  })

  test('a connection ends at its 101st request', async () => {
    const { host, port } = splitAddress(web.address)
    const socket = tlsConnect({ host, port, ca: web.cluster.hostRootsPem, servername: 'localhost' })
    let text = ''
    let isClosed = false
    socket.on('data', (chunk: Buffer) => (text += chunk.toString())).on('error', () => {})
    socket.once('close', () => (isClosed = true))
    const answers = () => text.split('HTTP/1.1 ').length - 1
    for (let sent = 1; sent <= 101; sent++) {
      socket.write('HEAD /webapi/ping HTTP/1.1\r\nhost: localhost\r\n\r\n')
      await eventually('answered', () => answers() === sent || isClosed, { everyMs: 1 })
    }
    expect([answers(), isClosed]).toEqual([100, true])
  })

  test('a header that is too large and a request that never ends are cut off', async () => {
    // The answer may be lost, since the client still sends when the connection closes.
    const tooLarge = web.ask('/webapi/ping', { headers: { 'x-long': 'x'.repeat(9_000) } })
    expect(
      await tooLarge.then(
        ({ status }) => status,
        () => 431,
      ),
    ).toBe(431)
    const { host, port } = splitAddress(web.address)
    const socket = tlsConnect({ host, port, ca: web.cluster.hostRootsPem, servername: 'localhost' })
    socket.write('GET /webapi/ping HTTP/1.1\r\nhost: localhost\r\n')
    await new Promise<void>((resolve, reject) => {
      socket.once('close', () => resolve())
      socket.once('error', reject)
      socket.resume()
    })
  })
})

test('behind a balancer, the log has the address that its PROXY header names', async () => {
  const behind = await startWebFace(async () => ({ MUSTER_PROXY_PROTOCOL_FROM: '127.0.0.1' }))
  try {
    const { host, port } = splitAddress(behind.address)
    const socket = tcpConnect({ host, port: port! })
    socket.write('PROXY TCP4 203.0.113.9 10.0.0.1 40000 3080\r\n')
    const web = tlsConnect({ socket, ca: behind.cluster.hostRootsPem, servername: 'localhost' })
    web.end('GET /webapi/ping HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n').resume()
    const logged = () => behind.lines.find(({ event }) => event === 'web.request')
    await eventually('logged', () => logged() !== undefined)
    expect(logged()).toMatchObject({ route: '/webapi/ping', remoteAddress: '203.0.113.9' })
  } finally {
    await behind.life.close()
  }
})
