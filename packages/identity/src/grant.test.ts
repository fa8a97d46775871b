import { describe, expect, test } from '@jest/globals'
import { chainPem, generateKey, privateKeyFromPem, privateKeyPem, publicKeyDer } from '@muster/pki'
import { testCluster, type TestCluster } from '@muster/testkit'
import { randomUUID } from 'node:crypto'
import {
  type Grant,
  grantedClusterName,
  GrantError,
  type GrantRequest,
  issuedCertificate,
  parseGrant,
} from './grant.ts'

const HOUR_MS = 3_600_000
const cluster = testCluster()
const foreign = testCluster(cluster.clusterName)
const name = randomUUID()
const keyPem = privateKeyPem(generateKey())
const hoursFromNow = (hours: number) => new Date(Date.now() + hours * HOUR_MS)

function bundleOf({ clusterName, authorities: { host, user } }: TestCluster, version = 1) {
  return {
    version,
    clusterName,
    hostRootsDer: [host.root.certificateDer],
    userRootsDer: [user.root.certificateDer],
  }
}

type CertifyRequest = Parameters<TestCluster['certify']>[0]

/** A server's grant for a node; correct except for what the test changes. */
function grant(overrides: Partial<CertifyRequest> = {}, signer = cluster, bundle = bundleOf(cluster)) {
  const ownKey = publicKeyDer(privateKeyFromPem(keyPem))
  const notAfter = hoursFromNow(24)
  const request = { kind: 'node' as const, name, publicKeyDer: ownKey, notAfter, ...overrides }
  const { leafDer, serial } = signer.certify(request)
  const authority = request.kind === 'user' ? signer.authorities.user : signer.authorities.host
  const issuing = request.signedBy ?? authority.issuing
  const certificate = { chainDer: [leafDer, issuing.certificateDer], serial, expiresAt: notAfter }
  return { certificate, trustBundle: bundle }
}

function parse(given: Grant, overrides: Partial<GrantRequest> = {}) {
  const trustedRootsPem = cluster.hostRootsPem
  const request = {
    from: 'registration-service',
    keyPem,
    kind: 'node',
    name,
    trustedRootsPem,
  } as const
  return parseGrant(given, { ...request, ...overrides })
}

function withChain(change: (chainDer: Buffer[]) => Buffer[]): Grant {
  const good = grant()
  return { ...good, certificate: { ...good.certificate, chainDer: change(good.certificate.chainDer) } }
}

describe('a grant', () => {
  test('a grant for this key and this name, under a trusted root, is accepted', () => {
    const given = grant()
    const { trustBundle, chainPem: pem, bundlePem, life } = parse(given)
    expect(pem).toBe(chainPem(given.certificate.chainDer))
    expect(trustBundle).toEqual(given.trustBundle)
    expect(bundlePem).toBe(cluster.hostRootsPem)
    expect(life.expiresAt.getTime()).toBe(Math.floor(given.certificate.expiresAt.getTime() / 1_000) * 1_000)
  })

  test('a grant under a new root that comes with it is accepted', () => {
    const next = testCluster(cluster.clusterName)
    const both = bundleOf(cluster, 2)
    both.hostRootsDer.push(next.authorities.host.root.certificateDer)
    expect(parse(grant({}, next, both)).bundlePem).toBe(cluster.hostRootsPem + next.hostRootsPem)
  })

  test('a grant for a person is checked against the user roots', () => {
    const asked = { kind: 'user', name: 'ada', trustedRootsPem: '' } as const
    expect(parse(grant({ kind: 'user', name: 'ada' }), asked).bundlePem).toBe(cluster.hostRootsPem)
    const byHostCa = grant({ kind: 'user', name: 'ada', signedBy: cluster.authorities.host.issuing })
    expect(() => parse(byHostCa, asked)).toThrow(GrantError)
  })

  test('a grant is accepted when the local clock is behind, or so far ahead that it calls the grant expired', () => {
    expect(() => parse(grant({ notBefore: hoursFromNow(1) }))).not.toThrow()
    expect(() => parse(grant({ notBefore: hoursFromNow(-50), notAfter: hoursFromNow(-26) }))).not.toThrow()
  })

  test.each<[string, () => Grant]>([
    ['by a foreign CA', () => grant({}, foreign)],
    ['by the user CA', () => grant({ signedBy: cluster.authorities.user.issuing })],
    ['for another node', () => grant({ name: randomUUID() })],
    ['for a service', () => grant({ kind: 'service', name: 'ca-service' })],
    ['for another cluster', () => grant({ clusterName: 'other.internal' })],
    ['for a bot', () => grant({ kind: 'bot', name: 'ci' })],
    ['for another key', () => grant({ publicKeyDer: cluster.node().publicKeyDer })],
    ['without the issuing CA', () => withChain(([leaf]) => [leaf!])],
    ['with an unreadable certificate', () => withChain(() => [Buffer.from('junk')])],
  ])('a grant %s is rejected', (_what, given) => {
    expect(() => parse(given())).toThrow('registration-service answered with a certificate that is not ours')
  })

  test.each<[string, () => Grant, string]>([
    ['no certificate', () => ({ ...grant(), certificate: undefined }), 'without a certificate'],
    ['an empty chain', () => withChain(() => []), 'without a certificate'],
    ['no trust bundle', () => ({ ...grant(), trustBundle: undefined }), 'without a trust bundle'],
    ['no host roots', () => grant({}, cluster, { ...bundleOf(cluster), hostRootsDer: [] }), 'without a trust bundle'],
    [
      'a cluster name that is a path',
      () => grant({}, cluster, { ...bundleOf(cluster), clusterName: '../evil' }),
      'with an invalid cluster name',
    ],
  ])('a grant with %s is rejected', (_what, given, problem) => {
    expect(() => parse(given())).toThrow(`registration-service answered ${problem}`)
  })

  test("a grant of a cluster other than the member's is rejected", () => {
    expect(() => parse(grant(), { clusterName: 'other.internal' })).toThrow(/answered for another cluster/)
    expect(() => parse(grant(), { clusterName: cluster.clusterName })).not.toThrow()
  })
})

describe('a reply of ca-service', () => {
  test('a reply of ca-service gives the certificate with its end, or an error that names the service', () => {
    const given = grant()
    expect(issuedCertificate(given, 'ca-service')).toEqual(given)
    const incomplete = { ...given, certificate: undefined }
    expect(() => issuedCertificate(incomplete, 'ca-service')).toThrow('ca-service answered without a certificate')
  })

  test('a reply of ca-service without a trust bundle names no cluster', () => {
    expect(() => grantedClusterName(undefined, 'ca-service')).toThrow(GrantError)
  })
})
