import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { type ConnectProxy, type ProxyManners, startBadPeer, startConnectProxy, testCluster } from '@muster/testkit'
import { connections, rejection, sampleService, sayWhoCalls, serveForTest, whoAmI } from '@muster/testkit/rpc'
import type { RpcServer } from '../server/serve.ts'
import { proxiesIn } from './dial/proxies.ts'
import { isTrustFailure } from './explain-failure.ts'
import { fetchPinnedRoot } from './pinned-root.ts'

const cluster = testCluster()
const { clusterName } = cluster
const { open, closeAll } = connections()
// A name that only the proxy knows: loopback is never proxied.
const ADDRESS = 'muster.test:3025'
let server: RpcServer
let proxies: { close(): Promise<void> }[] = []

beforeEach(async () => {
  const identity = cluster.service('registration-service')
  const services = [sampleService({ getTrustBundle: sayWhoCalls })]
  server = await serveForTest({ clusterName, identity, services })
})
afterEach(async () => {
  closeAll()
  for (const proxy of proxies.splice(0)) await proxy.close()
  await server.close()
})

async function start(...args: Parameters<typeof startConnectProxy>): Promise<ConnectProxy> {
  const proxy = await startConnectProxy(...args)
  proxies.push(proxy)
  return proxy
}

const through = ({ address }: ConnectProxy, login = '') => proxiesIn({ https_proxy: `http://${login}${address}` })
const causeOf = (error: Error) => (error.cause as Error | undefined)?.message

describe('a proxy', () => {
  test('calls and the pin check go through the proxy, which looks the name up', async () => {
    const proxy = await start(server.address)
    const proxyFor = through(proxy)
    expect(await fetchPinnedRoot({ address: ADDRESS, pins: [cluster.pin], proxyFor })).toBe(cluster.hostRootsPem)
    expect(await whoAmI(open(ADDRESS, cluster.node(), { clusterName, proxyFor }))).toContain('node')
    expect(proxy.requested).toEqual([ADDRESS, ADDRESS])
  })

  test('a server behind a proxy is verified like any other', async () => {
    const foreign = testCluster()
    const proxyFor = through(await start(server.address))
    const options = { clusterName: foreign.clusterName, proxyFor }
    expect(isTrustFailure(await rejection(whoAmI(open(ADDRESS, foreign.node(), options))))).toBe(true)
    const mismatch = await rejection(fetchPinnedRoot({ address: ADDRESS, pins: [foreign.pin], proxyFor }))
    expect(isTrustFailure(mismatch)).toBe(true)
  })

  test('a proxy with a password gets it, and it is in no message', async () => {
    const proxy = await start(server.address, { password: 'ada:canary' })
    const right = { clusterName, proxyFor: through(proxy, 'ada:canary@') }
    expect(await whoAmI(open(ADDRESS, cluster.node(), right))).toContain('node')
    const wrong = { clusterName, proxyFor: through(proxy, 'ada:wrong-canary@') }
    const error = await rejection(whoAmI(open(ADDRESS, cluster.node(), wrong)))
    expect(causeOf(error)).toBe(
      `the proxy ${proxy.address} refused a connection to ${ADDRESS}: it did not accept the user and password in https_proxy`,
    )
    expect(JSON.stringify([error.message, causeOf(error)])).not.toContain('canary')
  })

  test.each<[ProxyManners, string]>([
    ['refuses', 'refused a connection to muster.test:3025: 403 Forbidden'],
    ['asks for a password', 'it asks for a user and a password; give them in https_proxy'],
    ['is silent', 'accepted a connection and did not open one to muster.test:3025 within 0.5 s'],
    ['garbage', 'opened no connection to muster.test:3025: Parse Error'],
  ])('a proxy that %s is named in the error of a call and of the pin check', async (manners, why) => {
    const proxy = await start(server.address, { manners })
    const proxyFor = through(proxy)
    const call = await rejection(whoAmI(open(ADDRESS, cluster.node(), { clusterName, proxyFor, attemptLimitMs: 500 })))
    const check = await rejection(fetchPinnedRoot({ address: ADDRESS, pins: [cluster.pin], proxyFor, limitMs: 500 }))
    for (const text of [causeOf(call), check.message]) {
      expect(text).toContain(`the proxy ${proxy.address} `)
      expect(text).toContain(why)
      expect(text).not.toContain('undefined')
    }
    expect([call.kind, check.kind]).toEqual(['unavailable', 'unavailable'])
  })

  test('a proxy that cannot be reached is named with its variable', async () => {
    const proxy = await start(server.address)
    await proxy.close()
    proxies = []
    const error = await rejection(whoAmI(open(ADDRESS, cluster.node(), { clusterName, proxyFor: through(proxy) })))
    expect(causeOf(error)).toBe(
      `the proxy ${proxy.address}, which https_proxy names, cannot be reached: connect ECONNREFUSED ${proxy.address}`,
    )
  })

  test('a server that is silent behind a proxy is named with the proxy', async () => {
    const silent = await startBadPeer('silent after TCP', cluster.service('registration-service'))
    proxies.push(silent)
    const proxy = await start(silent.address)
    const options = { clusterName, proxyFor: through(proxy), attemptLimitMs: 500 }
    expect(causeOf(await rejection(whoAmI(open(ADDRESS, cluster.node(), options))))).toBe(
      `${ADDRESS} (through the proxy ${proxy.address}) accepted a connection and did not complete the TLS handshake within 0.5 s`,
    )
  })

  test('loopback, and a connection without a proxy, are direct whatever the environment says', async () => {
    const proxy = await start(server.address, { manners: 'refuses' })
    expect(await whoAmI(open(server.address, cluster.node(), { clusterName, proxyFor: through(proxy) }))).toContain(
      'node',
    )
    const before = process.env['grpc_proxy']
    process.env['grpc_proxy'] = `http://${proxy.address}`
    try {
      expect(await whoAmI(open(server.address, cluster.node(), { clusterName }))).toContain('node')
    } finally {
      if (before === undefined) delete process.env['grpc_proxy']
      else process.env['grpc_proxy'] = before
    }
    expect(proxy.requested).toEqual([])
  })
})
