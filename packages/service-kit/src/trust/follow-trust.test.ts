import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { systemClock } from '@muster/runtime'
import { chainPem, dersFromPem } from '@muster/pki'
import { eventually, testCluster, type TestCluster } from '@muster/testkit'
import { memoryLog } from '@muster/testkit/log'
import { type FakeAuthority, serveAuthority } from '../../test/support/authority.ts'
import { enrollService, type ServiceIdentity } from '../enrolment.ts'

let cluster: TestCluster
/** The authorities that are to replace those of the cluster. */
let next: TestCluster
let authority: FakeAuthority
let stop: AbortController
let identity: ServiceIdentity

beforeEach(async () => {
  cluster = testCluster()
  next = testCluster()
  stop = new AbortController()
  authority = await serveAuthority(cluster, systemClock)
  identity = await enrollService({
    name: 'token-service',
    caAddresses: [authority.server.address],
    caPins: [cluster.pin],
    enrollToken: 'CANARY-enrolment-token-of-many-characters',
    dnsNames: [],
    clock: systemClock,
    log: memoryLog().log,
    signal: stop.signal,
  })
  await confirmed('1/1')
})
afterEach(async () => {
  stop.abort()
  await authority.server.close()
})

const confirmed = (state: string) => eventually(`confirmed ${state}`, () => authority.confirmed.at(-1) === state)
const roots = (...of: TestCluster[]) => of.map(({ authorities }) => authorities.host.root.certificateDer)

/** Tells the service a bundle with the roots of these. */
function trust(version: number, ...of: TestCluster[]): void {
  authority.trust.trustBundle = { ...authority.trust.trustBundle, version, hostRootsDer: roots(...of) }
  authority.tell()
}

describe('a service that follows', () => {
  test('a service trusts a new root as soon as it hears of it, and confirms the bundle on the same stream', async () => {
    const shown = identity.tls.current.own
    trust(2, cluster, next)
    await confirmed('2/1')
    expect(identity.tls.current).toMatchObject({ own: shown, hostRootsPem: chainPem(roots(cluster, next)) })
    expect(identity.trustBundle().version).toBe(2)
    expect(authority.streams).toBe(1)
    expect(authority.calls.map(({ rpc }) => rpc)).toEqual(['enroll'])
  })

  test('a service renews once, at once, when another authority signs, and confirms that', async () => {
    trust(2, cluster, next)
    await confirmed('2/1')
    authority.signsWith = next
    authority.trust.signers = { node: 2, service: 2, user: 1 }
    authority.tell()
    await confirmed('2/2')
    expect(authority.calls.map(({ rpc }) => rpc)).toEqual(['enroll', 'renew'])
    const [, issuing] = dersFromPem(identity.tls.current.own!.chainPem)
    expect(issuing).toEqual(next.authorities.host.issuing.certificateDer)
    // The new stream presents the new certificate.
    expect(authority.streams).toBe(2)
  })

  test('a service does not renew when another authority signs for nodes and people only', async () => {
    authority.trust.signers = { node: 2, service: 1, user: 2 }
    trust(2, cluster, next)
    await confirmed('2/1')
    expect(authority.calls.map(({ rpc }) => rpc)).toEqual(['enroll'])
  })

  test('a service never gives a bundle up for an older one', async () => {
    trust(3, cluster, next)
    await confirmed('3/1')
    trust(2, cluster)
    trust(4, next, cluster)
    await confirmed('4/1')
    expect(authority.confirmed.filter((state) => state.startsWith('2/'))).toEqual([])
    expect(identity.tls.current.hostRootsPem).toBe(chainPem(roots(next, cluster)))
  })

  test('a service follows again after ca-service was away', async () => {
    const { address } = authority.server
    await authority.server.close()
    authority = await serveAuthority(cluster, systemClock, address)
    authority.trust.trustBundle = { ...authority.trust.trustBundle, version: 2, hostRootsDer: roots(cluster, next) }
    await confirmed('2/1')
    expect(identity.trustBundle().version).toBe(2)
  })
})
