import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { refusal } from '@muster/domain'
import { eventually, manualClock, type ManualClock, testCluster, type TestCluster } from '@muster/testkit'
import { rejection, serveForTest } from '@muster/testkit/rpc'
import { memoryLog } from '@muster/testkit/log'
import { createPublicKey } from 'node:crypto'
import { createServer } from 'node:net'
import { isTrustFailure, readMember } from '@muster/rpc'
import { type FakeAuthority, serveAuthority } from '../test/support/authority.ts'
import { enrollService, type EnrollOptions } from './enrolment.ts'

const DAY_MS = 86_400_000
const TOKEN = 'CANARY-enrolment-token-of-many-characters'

let cluster: TestCluster
let clock: ManualClock
let stop: AbortController
let authority: FakeAuthority | undefined
const { log, lines } = memoryLog()

beforeAll(() => {
  cluster = testCluster()
})
beforeEach(() => {
  clock = manualClock()
  stop = new AbortController()
  authority = undefined
  lines.length = 0
})
afterEach(async () => {
  stop.abort()
  await authority?.server.close()
})

/** Serves ca-service, again at the same address after it was closed. */
async function serve(address?: string): Promise<string> {
  const calls = authority?.calls
  authority = await serveAuthority(cluster, clock, address)
  authority.calls = calls ?? authority.calls
  return authority.server.address
}

function enroll(address: string, overrides: Partial<EnrollOptions> = {}) {
  return enrollService({
    name: 'token-service',
    caAddresses: [address],
    caPins: [cluster.pin],
    enrollToken: TOKEN,
    dnsNames: ['localhost'],
    // Days pass here.
    confirmEveryMs: DAY_MS,
    clock,
    log,
    signal: stop.signal,
    ...overrides,
  })
}

function shown(identity: { tls: { current: { own?: { keyPem: string; chainPem: string } } } }) {
  const { keyPem, chainPem } = identity.tls.current.own!
  const der = Buffer.from(chainPem.split('-----')[2]!, 'base64')
  const member = readMember(der, cluster.clusterName)!
  const publicKey = createPublicKey(keyPem).export({ type: 'spki', format: 'der' })
  return { member, hasItsKey: publicKey.equals(member.publicKeyDer) }
}

describe('a service', () => {
  test('a service enrols with its token and gets a certificate for its own key, with the roots to trust', async () => {
    const address = await serve()
    const identity = await enroll(address)
    const { member, hasItsKey } = shown(identity)
    expect(member).toMatchObject({ kind: 'service', name: 'token-service' })
    expect(hasItsKey).toBe(true)
    expect(identity.clusterName).toBe(cluster.clusterName)
    expect(identity.trustBundle().version).toBe(1)
    expect(identity.tls.current.hostRootsPem).toBe(cluster.hostRootsPem)
    expect(identity.tls.current.userRootsPem).toBe(cluster.userRootsPem)
    expect(authority!.calls).toEqual([{ rpc: 'enroll', token: TOKEN }])
  })

  test('a service renews its certificate before it expires, with the same key', async () => {
    const address = await serve()
    const identity = await enroll(address)
    const first = shown(identity)
    await clock.advance(0.81 * DAY_MS)
    await eventually('renewed', () => shown(identity).member.serial !== first.member.serial)
    expect(authority!.calls).toEqual([
      { rpc: 'enroll', token: TOKEN },
      { rpc: 'renew', by: first.member.serial },
    ])
    expect(shown(identity).member.publicKeyDer).toEqual(first.member.publicKeyDer)
    // The second renewal shows the second certificate.
    const second = shown(identity)
    await eventually('asleep again', () => clock.sleepers > 0)
    await clock.advance(0.81 * DAY_MS)
    await eventually('renewed again', () => shown(identity).member.serial !== second.member.serial)
    expect(authority!.calls[2]).toEqual({ rpc: 'renew', by: second.member.serial })
  })

  test('a service enrols again when its certificate has expired', async () => {
    const address = await serve()
    const identity = await enroll(address)
    const first = shown(identity)
    await authority!.server.close()
    // ca-service is down until the certificate has expired.
    await clock.advance(DAY_MS + 1_000)
    expect(authority!.calls).toHaveLength(1)
    await serve(address)
    await eventually('enrolled again', async () => {
      await clock.advance(60_000)
      return shown(identity).member.serial !== first.member.serial
    })
    expect(authority!.calls.slice(1).map(({ rpc }) => rpc)).toEqual(['enroll'])
  })

  test('a service enrols again when ca-service does not accept a certificate that is valid here', async () => {
    const address = await serve()
    const identity = await enroll(address)
    const first = shown(identity)
    authority!.renewalRefusal = refusal('NO_IDENTITY', 'no certificate that is valid now')
    await clock.advance(0.81 * DAY_MS)
    await eventually('enrolled again', () => shown(identity).member.serial !== first.member.serial)
    expect(authority!.calls.map(({ rpc }) => rpc)).toEqual(['enroll', 'renew', 'enroll'])
  })

  test('a service waits for ca-service, and logs that without the token', async () => {
    const address = await serve()
    await authority!.server.close()
    const enrolling = enroll(address)
    await eventually('waiting', () => clock.sleepers === 1)
    await serve(address)
    await eventually('tried again', async () => {
      await clock.advance(2_000)
      return authority!.calls.length > 0
    })
    expect(shown(await enrolling).member.name).toBe('token-service')
    expect(lines.some(({ level, msg }) => level === 'warn' && msg.includes('not reachable'))).toBe(true)
    expect(JSON.stringify(lines)).not.toContain('CANARY')
  })

  test('a service sends no token to a server whose root does not match the pin, and does not retry', async () => {
    const address = await serve()
    const error = await rejection(enroll(address, { caPins: [`sha256:${'0'.repeat(64)}`] }))
    expect(isTrustFailure(error)).toBe(true)
    expect(authority!.calls).toEqual([])
    expect(clock.sleeps).toEqual([])
  })

  test('a service sends no token to another service of the cluster', async () => {
    const other = await serveForTest({
      clusterName: cluster.clusterName,
      identity: cluster.service('registration-service'),
      services: [],
    })
    const error = await rejection(enroll(other.address))
    expect(isTrustFailure(error)).toBe(true)
    await other.close()
  })

  test('a service does not retry a refusal', async () => {
    const address = await serve()
    authority!.refusal = refusal('TOKEN_UNKNOWN', 'not known')
    expect(await rejection(enroll(address))).toMatchObject({ kind: 'permissionDenied', reason: 'TOKEN_UNKNOWN' })
    expect(authority!.calls).toHaveLength(1)
  })

  test('a service stops waiting for a server that never answers', async () => {
    const silent = createServer(() => {})
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const enrolling = enroll(`127.0.0.1:${(silent.address() as { port: number }).port}`)
    stop.abort(new Error('shutting down'))
    await expect(enrolling).rejects.toThrow()
    silent.close()
  })
})
