import { afterEach, describe, expect, test } from '@jest/globals'
import { type BadPeer, type BadPeerKind, eventually, startBadPeer, testCluster } from '@muster/testkit'
import {
  beat,
  connections,
  contract,
  rejection,
  sampleService,
  sayWhoCalls,
  serveForTest,
  whoAmI,
} from '@muster/testkit/rpc'
import { isTrustFailure } from './explain-failure.ts'
import { fetchPinnedRoot } from './pinned-root.ts'

const cluster = testCluster()
const { clusterName } = cluster
const { open, closeAll } = connections()
const peers: { close(): Promise<void> }[] = []
/** Enough for TCP on a busy machine. */
const LIMIT_MS = 300
/** Enough for a TLS handshake on a busy machine. */
const HANDSHAKE_MS = 700

afterEach(async () => {
  closeAll()
  await Promise.all(peers.splice(0).map((peer) => peer.close()))
})

async function badPeer(kind: BadPeerKind): Promise<BadPeer> {
  const peer = await startBadPeer(kind, cluster.service('registration-service'))
  peers.push(peer)
  return peer
}

const detailOf = (error: Error) => (error.cause as Error | undefined)?.message

/** What a call without a deadline of its own fails with, and why. Each attempt to connect is short. */
const ATTEMPTS: [BadPeerKind, number, string][] = [
  ['silent after TCP', LIMIT_MS, 'accepted a connection and did not complete the TLS handshake'],
  ['silent after TLS', HANDSHAKE_MS, 'completed the TLS handshake and did not begin HTTP/2'],
]
const within = (limitMs: number) => `within ${limitMs / 1_000} s`

describe('a peer that stops answering', () => {
  test.each(ATTEMPTS)(
    'a call to a peer that is %s fails after the limit of the attempt, and says why',
    async (kind, limitMs, why) => {
      const { address } = await badPeer(kind)
      const connection = open(address, cluster.node(), { clusterName, attemptLimitMs: limitMs })
      const error = await rejection(whoAmI(connection))
      expect([error.kind, error.message]).toEqual(['unavailable', 'registration-service cannot be reached; try again'])
      expect(detailOf(error)).toBe(`${address} ${why} ${within(limitMs)}`)
      expect(isTrustFailure(error)).toBe(false)
    },
  )

  test.each(ATTEMPTS)(
    'a stream to a peer that is %s fails after the limit of the attempt',
    async (kind, limitMs, why) => {
      const { address } = await badPeer(kind)
      const connection = open(address, cluster.node(), { clusterName, attemptLimitMs: limitMs })
      const stream = connection.duplex(contract.heartbeat, () => {})
      stream.send(beat)
      expect(detailOf(await rejection(stream.ended))).toBe(`${address} ${why} ${within(limitMs)}`)
      const messages = connection.serverStream(contract.watchNodes, {}, new AbortController().signal)
      const next = messages[Symbol.asyncIterator]().next()
      expect(detailOf(await rejection(next))).toBe(`${address} ${why} ${within(limitMs)}`)
    },
  )

  test.each(ATTEMPTS)(
    'a call to a peer that is %s, and whose own deadline is shorter, says what it waited for',
    async (kind, limitMs, why) => {
      const { address } = await badPeer(kind)
      const { getTrustBundle } = open(address, cluster.node(), { clusterName }).client(contract)
      const error = await rejection(getTrustBundle({}, { timeoutMs: limitMs }))
      expect(error.kind).toBe('unavailable')
      expect(detailOf(error)).toBe(`${address} ${why} in time`)
    },
  )

  test('a call that a peer never answers ends at its deadline, without a word of grpc-js', async () => {
    const { address } = await badPeer('silent after the request')
    const { getTrustBundle } = open(address, cluster.node(), { clusterName }).client(contract)
    const error = await rejection(getTrustBundle({}, { timeoutMs: HANDSHAKE_MS }))
    expect([error.kind, error.message]).toEqual(['deadlineExceeded', 'registration-service did not answer in time'])
  })

  test('a stream that a peer never answers ends, and says so', async () => {
    const { address } = await badPeer('silent after the request')
    const connection = open(address, cluster.node(), { clusterName, firstAnswerMs: HANDSHAKE_MS })
    const messages = connection.serverStream(contract.watchNodes, {}, new AbortController().signal)
    const stream = connection.duplex(contract.heartbeat, () => {})
    stream.send(beat)
    const errors = [rejection(messages[Symbol.asyncIterator]().next()), rejection(stream.ended)]
    for (const error of await Promise.all(errors)) {
      expect([error.kind, error.message]).toEqual(['deadlineExceeded', 'registration-service did not answer in time'])
    }
  })

  test('a peer that resets each connection is reported with the error of the socket', async () => {
    const { address } = await badPeer('resets')
    const error = await rejection(whoAmI(open(address, cluster.node(), { clusterName })))
    expect(error.kind).toBe('unavailable')
    expect(detailOf(error)).toMatch(/ECONNRESET|EPIPE|closed the connection|disconnected before/)
  })

  test('the next attempt follows a failed one, and succeeds once the peer answers', async () => {
    const silent = await badPeer('silent after TCP')
    const connection = open(silent.address, cluster.node(), { clusterName, attemptLimitMs: LIMIT_MS })
    await rejection(whoAmI(connection))
    await silent.close()
    const server = await serveForTest({
      clusterName,
      listenAddress: silent.address,
      identity: cluster.service('registration-service'),
      services: [sampleService({ getTrustBundle: sayWhoCalls })],
    })
    peers[0] = server
    const answer = async (): Promise<string> => whoAmI(connection).catch(answer)
    expect(await answer()).toContain('node')
  })

  test('a call uses another address while one is silent', async () => {
    const silent = await badPeer('silent after TCP')
    const server = await serveForTest({
      clusterName,
      identity: cluster.service('registration-service'),
      services: [sampleService({ getTrustBundle: sayWhoCalls })],
    })
    peers.push(server)
    const addresses = [silent.address, server.address]
    expect(await whoAmI(open(silent.address, cluster.node(), { clusterName, addresses }))).toContain('node')
  })

  test.each<[BadPeerKind, string]>([
    ['silent after TCP', 'accepted a connection and did not complete the TLS handshake within 0.3 s'],
    ['resets', ''],
  ])('the pin check of a peer that is %s fails, and says why', async (kind, why) => {
    const { address } = await badPeer(kind)
    const error = await rejection(fetchPinnedRoot({ address, pins: [cluster.pin], limitMs: LIMIT_MS }))
    expect(error.message).toContain(`cannot reach ${address}: `)
    expect(error.message).toContain(why)
    expect(isTrustFailure(error)).toBe(false)
  })

  test('a connection that is closed ends its attempt at once', async () => {
    const peer = await badPeer('silent after TCP')
    const connection = open(peer.address, cluster.node(), { clusterName })
    const call = rejection(whoAmI(connection))
    await eventually('the peer is connected', () => peer.open() === 1)
    connection.close()
    expect((await call).kind).toBe('unavailable')
    await eventually('the attempt is over', () => peer.open() === 0)
  })
})
