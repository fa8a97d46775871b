import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { privateKeyFromPem, publicKeyDer } from '@muster/pki'
import { testCluster, type TestCluster } from '@muster/testkit'
import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import type { Grant, NodeProfile } from '@muster/identity'
import { NotTrustedError } from '../exit-status.ts'
import { ensureNodeKey, identityOf, loadIdentity, storeIdentity } from './node-identity.ts'

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

/** A grant of the server; correct except for what the test changes. */
function grant(overrides: Partial<CertifyRequest> = {}, signer: TestCluster = cluster): Grant {
  const ownKey = publicKeyDer(privateKeyFromPem(keyPem))
  const notAfter = new Date(Date.now() + 86_400_000)
  const request = { kind: 'node' as const, name: nodeId, publicKeyDer: ownKey, notAfter, ...overrides }
  const { leafDer, serial } = signer.certify(request)
  const certificate = {
    chainDer: [leafDer, signer.authorities.host.issuing.certificateDer],
    serial,
    expiresAt: notAfter,
  }
  return { certificate, trustBundle: bundleOf(cluster) }
}

async function store(given: Grant, overrides: Partial<NodeProfile> = {}) {
  const trustedRootsPem = cluster.hostRootsPem
  const identity = identityOf({
    keyPem,
    grant: given,
    profile: { ...profile, ...overrides },
    trustedRootsPem,
  })
  await storeIdentity(dataDir, identity)
  return identity
}

describe('a grant', () => {
  test('a grant for this node is stored', async () => {
    const identity = await store(grant())
    expect(identity.profile).toEqual({ ...profile, clusterName: cluster.clusterName, trustBundleVersion: 1 })
    expect(await loadIdentity(dataDir)).toEqual(identity)
  })

  test.each<[string, () => Grant, Partial<NodeProfile>]>([
    ['by a foreign CA', () => grant({}, foreign), {}],
    ['for another node', () => grant({ name: randomUUID() }), {}],
    ['for a bot that joined as a node', () => grant({ kind: 'bot', name: 'ci' }), { botName: 'ci' }],
    ['for a node that joined as a bot', () => grant(), { roles: ['bot'] }],
    ['of another cluster than before', () => grant(), { clusterName: 'other.internal' }],
    ['without a certificate', () => ({ ...grant(), certificate: undefined }), {}],
  ])('a grant %s is rejected and not stored', async (_what, given, overrides) => {
    await expect(store(given(), overrides)).rejects.toBeInstanceOf(NotTrustedError)
    expect(await readdir(dataDir)).toEqual(['key.pem'])
  })

  test('an identity that is stored in an emptied folder is whole', async () => {
    const identity = await store(grant())
    await rm(path.join(dataDir, 'key.pem'))
    await storeIdentity(dataDir, identity)
    expect(await loadIdentity(dataDir)).toEqual(identity)
  })

  test('a rejected grant leaves the former identity in place', async () => {
    const before = await store(grant())
    await expect(store(grant({}, foreign))).rejects.toBeInstanceOf(NotTrustedError)
    expect(await loadIdentity(dataDir)).toEqual(before)
  })
})

describe('the key of a node', () => {
  test('the key of a node is created once, readable by its owner only', async () => {
    expect(await ensureNodeKey(dataDir)).toBe(keyPem)
    expect((await stat(path.join(dataDir, 'key.pem'))).mode & 0o777).toBe(0o600)
  })
})
