import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { CERTIFICATE_BACKDATE_MS } from '@muster/domain'
import { privateKeyFromPem, publicKeyDer } from '@muster/pki'
import { testCluster, type TestCluster } from '@muster/testkit'
import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { NotTrustedError } from '../exit-status.ts'
import { ensureNodeKey, keepGrant, lifeOf, loadIdentity, tlsMaterial, type Grant } from './node-identity.ts'

const cluster = testCluster()
const foreign = testCluster(cluster.clusterName)
const nodeId = randomUUID()
const profile = { nodeId, roles: ['node' as const], authServer: 'muster.example:3025' }

let root: string
let dataDir: string
let keyPem: string
let number = 0

beforeAll(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), 'muster-node-'))
})
beforeEach(async () => {
  dataDir = path.join(root, String(++number))
  keyPem = await ensureNodeKey(dataDir)
})
afterAll(async () => {
  await rm(root, { recursive: true })
})

function bundleOf({ clusterName, authorities: { host, user } }: TestCluster, version = 1) {
  return {
    version,
    clusterName,
    hostRootsDer: [host.root.certificateDer],
    userRootsDer: [user.root.certificateDer],
  }
}

type CertifyRequest = Parameters<TestCluster['certify']>[0]

/** What the server hands out; right in everything that the test does not change. */
function grant(
  overrides: Partial<CertifyRequest> = {},
  signer: TestCluster = cluster,
  bundle = bundleOf(cluster),
): Grant {
  const ownKey = publicKeyDer(privateKeyFromPem(keyPem))
  const notAfter = new Date(Date.now() + 86_400_000)
  const request = { kind: 'node' as const, name: nodeId, publicKeyDer: ownKey, notAfter, ...overrides }
  const { leafDer, serial } = signer.certify(request)
  const issuing = request.signedBy ?? signer.authorities.host.issuing
  const certificate = { chainDer: [leafDer, issuing.certificateDer], serial, expiresAt: notAfter }
  return { certificate, trustBundle: bundle }
}

function keep(given: Grant, trustedRootsPem = cluster.hostRootsPem) {
  return keepGrant(dataDir, keyPem, given, profile, trustedRootsPem)
}

describe('a grant', () => {
  test('that is for this node, on its key, by a root that it trusts is kept', async () => {
    const identity = await keep(grant())
    expect(identity.profile).toEqual({ ...profile, clusterName: cluster.clusterName, trustBundleVersion: 1 })
    expect(await loadIdentity(dataDir)).toEqual(identity)
    expect(tlsMaterial(identity)).toEqual({
      own: { keyPem, chainPem: identity.chainPem },
      hostRootsPem: cluster.hostRootsPem,
      userRootsPem: '',
    })
  })

  test('may bring a new root, which is trusted from then on', async () => {
    const next = testCluster(cluster.clusterName)
    const both = bundleOf(cluster, 2)
    both.hostRootsDer.push(next.authorities.host.root.certificateDer)
    const identity = await keep(grant({}, next, both))
    expect(identity.bundlePem).toBe(cluster.hostRootsPem + next.hostRootsPem)
    expect(identity.profile.trustBundleVersion).toBe(2)
  })

  test('is good though the clock of this machine is behind', async () => {
    const notBefore = new Date(Date.now() + 600_000)
    await keep(grant({ notBefore }))
  })

  test.each<[string, () => Grant]>([
    ['by a foreign CA', () => grant({}, foreign)],
    ['by the user CA', () => grant({ signedBy: cluster.authorities.user.issuing })],
    ['for another node', () => grant({ name: randomUUID() })],
    ['for a service', () => grant({ kind: 'service', name: 'ca-service' })],
    ['for another cluster', () => grant({ clusterName: 'other.internal' })],
    ['for a bot', () => grant({ kind: 'bot', name: 'ci' })],
    ['for another key', () => grant({ publicKeyDer: cluster.node().publicKeyDer })],
    [
      'that has ended',
      () => grant({ notBefore: new Date(Date.now() - 7_200_000), notAfter: new Date(Date.now() - 3_600_000) }),
    ],
    ['without a certificate', () => ({ ...grant(), certificate: undefined })],
    ['with an empty chain', () => ({ ...grant(), certificate: { chainDer: [], serial: '', expiresAt: undefined } })],
    ['without a trust bundle', () => ({ ...grant(), trustBundle: undefined })],
    [
      'without the issuing CA',
      () => {
        const good = grant()
        return { ...good, certificate: { ...good.certificate!, chainDer: good.certificate!.chainDer.slice(0, 1) } }
      },
    ],
    [
      'with a certificate that cannot be read',
      () => {
        const good = grant()
        return { ...good, certificate: { ...good.certificate!, chainDer: [Buffer.from('junk')] } }
      },
    ],
  ])('%s is refused, and nothing of it is kept', async (_what, given) => {
    await expect(keep(given())).rejects.toBeInstanceOf(NotTrustedError)
    expect(await readdir(dataDir)).toEqual(['key.pem'])
  })

  test('that is refused leaves the identity that was there', async () => {
    const before = await keep(grant())
    await expect(keep(grant({}, foreign))).rejects.toBeInstanceOf(NotTrustedError)
    expect(await loadIdentity(dataDir)).toEqual(before)
  })
})

describe('the key of a node', () => {
  test('is made once, for its owner only, and kept', async () => {
    expect(await ensureNodeKey(dataDir)).toBe(keyPem)
    expect((await stat(path.join(dataDir, 'key.pem'))).mode & 0o777).toBe(0o600)
  })
})

describe('the life of a certificate', () => {
  test('is counted from when it was issued, not from the minute before', async () => {
    const notBefore = new Date('2026-12-01T00:00:00Z')
    const notAfter = new Date('2026-12-02T00:00:00Z')
    const { certificate } = grant({ notBefore, notAfter })
    const { chainPem } = await import('@muster/pki')
    const life = lifeOf({
      keyPem,
      chainPem: chainPem(certificate!.chainDer),
      bundlePem: '',
      profile: undefined as never,
    })
    expect(life).toEqual({ issuedAt: new Date(notBefore.getTime() + CERTIFICATE_BACKDATE_MS), expiresAt: notAfter })
  })
})
