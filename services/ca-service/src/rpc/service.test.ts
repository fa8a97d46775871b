import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { ca } from '@muster/contracts'
import { SERVICE_NAMES } from '@muster/domain'
import { generateKey, publicKeyDer, spkiPin } from '@muster/pki'
import { everyKindOfPeer } from '@muster/testkit'
import { accessOfEach } from '@muster/testkit/rpc'
import { generateKeyPairSync } from 'node:crypto'
import { CLUSTER_NAME, refusal, serveCa, type Served } from '../../test/support/service.ts'

let served: Served

beforeAll(async () => {
  served = await serveCa()
})
beforeEach(() => served.clear())
afterAll(() => served.close())

describe('callers of ca-service', () => {
  const everyone = ['anonymous', 'node', 'bot', ...SERVICE_NAMES, 'viewer', 'operator', 'admin']
  const ALLOWED: Record<string, string[]> = {
    enrollService: everyone,
    renewService: ['token-service', 'registration-service', 'web-service'],
    signHost: ['registration-service'],
    signUser: ['registration-service'],
    signBot: ['registration-service'],
    getTrustBundle: everyone,
    watchTrustBundle: ['token-service', 'registration-service', 'web-service'],
    listAuthorities: ['viewer', 'operator', 'admin'],
    listRotations: ['viewer', 'operator', 'admin'],
    moveRotation: ['admin'],
  }

  test('callers are defined for every RPC of the contract', () => {
    expect(Object.keys(ALLOWED)).toEqual(Object.keys(ca.CaServiceService))
    for (const { path } of Object.values(ca.CaServiceService)) expect(served.server.callers.has(path)).toBe(true)
  })

  test.each(Object.entries(ca.CaServiceService))(
    '%s admits the callers in the table and no others',
    async (rpc, method) => {
      const callers = everyKindOfPeer(served.cluster)
      const { found, expected } = await accessOfEach(callers, ALLOWED[rpc]!, served.connect, method)
      expect(found).toEqual(expected)
    },
  )
})

describe('SignHost', () => {
  const nodeId = '0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e11'
  const publicKey = publicKeyDer(generateKey())
  const sign = (overrides: Partial<ca.SignHostRequest> = {}) =>
    served
      .as('registration-service')
      .signHost({ publicKeyDer: publicKey, nodeId, roles: ['proxy', 'node'], ...overrides })

  test('SignHost issues a node certificate without a name that the node chose', async () => {
    const identity = served.verified(await sign())
    expect(identity).toMatchObject({
      spiffeId: `spiffe://${CLUSTER_NAME}/node/${nodeId}`,
      commonName: nodeId,
      roles: ['node', 'proxy'],
      dnsNames: [`${nodeId}.node.${CLUSTER_NAME}`],
      publicKeyDer: publicKey,
    })
    const { rows } = await served.pool.query('select requested_by from certificates')
    expect(rows).toEqual([{ requested_by: `spiffe://${CLUSTER_NAME}/service/registration-service` }])
  })

  test('SignHost accepts an Ed25519 key', async () => {
    const ed25519 = publicKeyDer(generateKey('ed25519'))
    expect(served.verified(await sign({ publicKeyDer: ed25519 })).publicKeyDer).toEqual(ed25519)
  })

  test('SignHost refuses every kind of key that is not allowed', async () => {
    const spki = { type: 'spki', format: 'der' } as const
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export(spki)
    const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' }).publicKey.export(spki)
    for (const publicKeyDer of [rsa, p521]) {
      const error = await refusal(sign({ publicKeyDer }))
      expect(error).toMatchObject({ kind: 'invalidArgument', field: 'public_key_der', reason: 'KEY_NOT_ALLOWED' })
    }
    expect((await refusal(sign({ publicKeyDer: Buffer.from('junk') }))).kind).toBe('invalidArgument')
    expect(await served.count('certificates')).toBe(0)
  })

  test.each<[string, Partial<ca.SignHostRequest>]>([
    ['node_id', { nodeId: '../admin' }],
    ['node_id', { nodeId: '' }],
    ['roles', { roles: [] }],
    ['roles', { roles: ['admin'] }],
  ])('SignHost refuses a request with a bad %s', async (field, overrides) => {
    expect(await refusal(sign(overrides))).toMatchObject({ kind: 'invalidArgument', field })
    expect(await served.count('certificates')).toBe(0)
  })
})

describe('SignUser', () => {
  const publicKey = publicKeyDer(generateKey())
  const inAnHour = () => new Date(Date.now() + 3_600_000)
  const sign = (overrides: Partial<ca.SignUserRequest> = {}) =>
    served.as('registration-service').signUser({
      publicKeyDer: publicKey,
      name: 'ada',
      roles: ['viewer', 'operator'],
      sessionExpiresAt: inAnHour(),
      ...overrides,
    })

  test('SignUser issues a certificate of the user authority, for the configured time', async () => {
    const reply = await sign()
    const identity = served.verified(reply, 'user')
    expect(identity).toMatchObject({
      spiffeId: `spiffe://${CLUSTER_NAME}/user/ada`,
      commonName: 'ada',
      roles: ['operator', 'viewer'],
      dnsNames: [],
      publicKeyDer: publicKey,
      issuerType: 'user',
    })
    expect(Math.abs(identity.notAfter.getTime() - Date.now() - 1_800_000)).toBeLessThan(60_000)
    const { rows } = await served.pool.query('select spiffe_id, requested_by from certificates')
    const registration = `spiffe://${CLUSTER_NAME}/service/registration-service`
    expect(rows).toEqual([{ spiffe_id: identity.spiffeId, requested_by: registration }])
  })

  test('SignUser issues no certificate that outlives the session', async () => {
    const sessionExpiresAt = new Date(Date.now() + 60_000)
    const identity = served.verified(await sign({ sessionExpiresAt }), 'user')
    expect(identity.notAfter.getTime()).toBeLessThanOrEqual(sessionExpiresAt.getTime())
    expect(sessionExpiresAt.getTime() - identity.notAfter.getTime()).toBeLessThan(1_000)
    const over = await refusal(sign({ sessionExpiresAt: new Date(Date.now() - 1) }))
    expect(over).toMatchObject({ kind: 'failedPrecondition', reason: 'SESSION_ENDED' })
  })

  test.each<[string, Partial<ca.SignUserRequest>]>([
    ['name', { name: '../ada' }],
    ['name', { name: '' }],
    ['roles', { roles: [] }],
    ['roles', { roles: ['node'] }],
    ['roles', { roles: ['admin', 'break-glass'] }],
    ['session_expires_at', { sessionExpiresAt: undefined }],
    ['public_key_der', { publicKeyDer: Buffer.from('junk') }],
  ])('SignUser refuses a bad %s: %j', async (field, overrides) => {
    expect(await refusal(sign(overrides))).toMatchObject({ kind: 'invalidArgument', field })
    expect(await served.count('certificates')).toBe(0)
  })
})

describe('SignBot', () => {
  const publicKey = publicKeyDer(generateKey())
  const sign = (overrides: Partial<ca.SignBotRequest> = {}) =>
    served.as('registration-service').signBot({ publicKeyDer: publicKey, name: 'ci', ...overrides })

  test('SignBot issues a certificate of the host authority with the role bot, for the configured time', async () => {
    const identity = served.verified(await sign())
    expect(identity).toMatchObject({
      spiffeId: `spiffe://${CLUSTER_NAME}/bot/ci`,
      commonName: 'ci',
      roles: ['bot'],
      dnsNames: [],
      publicKeyDer: publicKey,
    })
    expect(Math.abs(identity.notAfter.getTime() - Date.now() - 900_000)).toBeLessThan(60_000)
  })

  test.each<[string, Partial<ca.SignBotRequest>]>([
    ['name', { name: 'ci/admin' }],
    ['public_key_der', { publicKeyDer: Buffer.from('junk') }],
  ])('SignBot refuses a bad %s', async (field, overrides) => {
    expect(await refusal(sign(overrides))).toMatchObject({ kind: 'invalidArgument', field })
    expect(await served.count('certificates')).toBe(0)
  })
})

describe('GetTrustBundle', () => {
  test('GetTrustBundle gives anyone the roots', async () => {
    const { trustBundle } = await served.client(served.cluster.anonymous()).getTrustBundle({})
    expect(trustBundle).toMatchObject({
      clusterName: CLUSTER_NAME,
      hostRootsDer: [served.authorities.host.rootDer],
      userRootsDer: [served.authorities.user.rootDer],
    })
  })
})

describe('ListAuthorities', () => {
  test('ListAuthorities shows what an operator compares, and no key', async () => {
    const reply = await served.client(served.cluster.user('ada', 'viewer')).listAuthorities({})
    expect(reply).toMatchObject({ clusterName: CLUSTER_NAME, version: expect.stringMatching(/^\d+\.\d+\.\d+/) })
    expect(reply.authorities.map(({ type, pin, rotatedAt }) => ({ type, pin, rotatedAt }))).toEqual([
      { type: 'host', pin: spkiPin(served.authorities.host.rootDer), rotatedAt: undefined },
      { type: 'user', pin: spkiPin(served.authorities.user.rootDer), rotatedAt: undefined },
    ])
    for (const { rootExpiresAt, issuingExpiresAt } of reply.authorities) {
      expect(issuingExpiresAt!.getTime()).toBeLessThan(rootExpiresAt!.getTime())
    }
  })
})
