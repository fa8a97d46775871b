import { afterEach, describe, expect, test } from '@jest/globals'
import { type MemberRequest, startBadPeer, testCluster } from '@muster/testkit'
import { connections, rejection, sampleService, sayWhoCalls, serveForTest, whoAmI } from '@muster/testkit/rpc'
import { createSecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { isClockFailure, isTrustFailure } from './explain-failure.ts'

const cluster = testCluster()
const { clusterName } = cluster
const { open, closeAll } = connections()
const servers: { close(): Promise<unknown> }[] = []
const HOUR_MS = 3_600_000
const fromNow = (hours: number) => new Date(Date.now() + hours * HOUR_MS)

afterEach(async () => {
  closeAll()
  await Promise.all(servers.splice(0).map((server) => server.close()))
})

const service = (dates: Pick<MemberRequest, 'notBefore' | 'notAfter'>) =>
  cluster.member({ kind: 'service', name: 'registration-service', ...dates })
const ended = () => service({ notBefore: fromNow(-50), notAfter: fromNow(-26) })
const future = () => service({ notBefore: fromNow(26), notAfter: fromNow(50) })

/** A server whose clock is ahead by this many hours, as far as it tells. */
async function serverWithClock(identity: ReturnType<typeof service>, aheadHours: number): Promise<string> {
  const { own, hostRootsPem } = identity
  const server = createSecureServer({ key: own.keyPem, cert: own.chainPem + hostRootsPem }, (_request, response) => {
    response.setHeader('date', fromNow(aheadHours).toUTCString())
    response.end()
  })
  server.on('sessionError', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  servers.push({ close: () => new Promise((resolve) => server.close(resolve)) })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

const causeOf = (error: Error) => (error.cause as Error).message
const at = (hours: number) => fromNow(hours).toISOString().slice(0, 13).replace('T', ' ')

describe('a server whose certificate is not valid now', () => {
  test.each<[string, typeof ended, number]>([
    ['has expired by the clock here, which is ahead', ended, -48],
    ['is not valid yet by the clock here, which is behind', future, 48],
  ])(
    'a certificate that %s fails the call with both times, and is no failure of trust',
    async (_what, identity, hours) => {
      const address = await serverWithClock(identity(), hours)
      const error = await rejection(whoAmI(open(address, cluster.node(), { clusterName })))
      expect([error.kind, error.message]).toEqual(['unavailable', causeOf(error)])
      expect(causeOf(error)).toContain(`the clock of this machine says ${at(0)}`)
      expect(causeOf(error)).toContain(`the clock of registration-service says ${at(hours)}`)
      expect(causeOf(error)).toContain('; set the clock that is wrong')
      expect([isTrustFailure(error), isClockFailure(error)]).toEqual([false, true])
    },
  )

  test('a certificate that has expired by both clocks is a fault of the server', async () => {
    let calls = 0
    const counted = {
      ...sayWhoCalls,
      handle: async (...args: Parameters<typeof sayWhoCalls.handle>) => {
        calls += 1
        return sayWhoCalls.handle(...args)
      },
    }
    const services = [sampleService({ getTrustBundle: counted })]
    const server = await serveForTest({ clusterName, identity: ended(), services })
    servers.push(server)
    const error = await rejection(whoAmI(open(server.address, cluster.node(), { clusterName })))
    expect(causeOf(error)).toContain('as does the clock of registration-service')
    expect(causeOf(error)).toContain('registration-service must renew it')
    expect(isTrustFailure(error)).toBe(false)
    expect(calls).toBe(0)
  })

  test('a server that does not tell its time still fails the call with its dates', async () => {
    const peer = await startBadPeer('silent after TLS', ended())
    servers.push(peer)
    const error = await rejection(whoAmI(open(peer.address, cluster.node(), { clusterName, attemptLimitMs: 1_500 })))
    expect(error.kind).toBe('unavailable')
    expect(isTrustFailure(error)).toBe(false)
    expect(causeOf(error)).toMatch(/clock|did not complete/)
  })

  test('a certificate of a foreign cluster is a failure of trust, whatever its dates', async () => {
    const foreign = testCluster(clusterName)
    const dates = { notBefore: fromNow(-50), notAfter: fromNow(-26) }
    const identity = foreign.member({ kind: 'service', name: 'registration-service', ...dates })
    const address = await serverWithClock(identity, 0)
    const error = await rejection(whoAmI(open(address, cluster.node(), { clusterName })))
    expect([isTrustFailure(error), isClockFailure(error)]).toEqual([true, false])
  })

  test('a call succeeds once the certificate is valid, over the same connection object', async () => {
    const identity = ended()
    const first = await serveForTest({
      clusterName,
      identity,
      services: [sampleService({ getTrustBundle: sayWhoCalls })],
    })
    const connection = open(first.address, cluster.node(), { clusterName })
    expect(isClockFailure(await rejection(whoAmI(connection)))).toBe(true)
    await first.close()
    const second = await serveForTest({
      clusterName,
      listenAddress: first.address,
      identity: cluster.service('registration-service'),
      services: [sampleService({ getTrustBundle: sayWhoCalls })],
    })
    servers.push(second)
    const answer = async (): Promise<string> => whoAmI(connection).catch(answer)
    expect(await answer()).toContain('node')
  })
})
