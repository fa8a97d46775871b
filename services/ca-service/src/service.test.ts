import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { ca } from '@muster/contracts'
import { AppError, SERVICE_NAMES, type ServiceName } from '@muster/domain'
import { createCsr, generateKey, parseIdentity, publicKeyDer, spkiPin, verifyChain } from '@muster/pki'
import { accessOfEach } from '@muster/rpc/testing'
import { everyKindOfPeer } from '@muster/testkit'
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { CLUSTER_NAME, serveCa, TOKENS, type Served } from './test-support.ts'

let served: Served

beforeAll(async () => {
  served = await serveCa()
})
beforeEach(async () => {
  await served.refusals.close()
  await served.pool.query('truncate certificates, audit_events')
})
afterAll(async () => {
  await served.close()
})

function as(service: ServiceName) {
  return served.client(served.cluster.service(service))
}

async function refusal(call: Promise<unknown>): Promise<AppError> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error instanceof AppError) return error
  throw new Error('should have been refused', { cause: error })
}

async function count(table: 'certificates' | 'audit_events'): Promise<number> {
  const { rows } = await served.pool.query<{ count: number }>(`select count(*)::int as count from ${table}`)
  return rows[0]!.count
}

/** Fails unless the chain leads to the root of that authority which the reply names, and gives who the leaf is for. */
function verified(
  { certificate, trustBundle }: Pick<ca.SignHostResponse, 'certificate' | 'trustBundle'>,
  by: 'host' | 'user' = 'host',
) {
  const [leafDer, ...intermediatesDer] = certificate!.chainDer as [Buffer, Buffer]
  expect(trustBundle).toMatchObject({ version: expect.any(Number), clusterName: CLUSTER_NAME })
  expect(trustBundle!.hostRootsDer).toEqual([served.authorities.host.rootDer])
  expect(trustBundle!.userRootsDer).toEqual([served.authorities.user.rootDer])
  expect(verifyChain({ leafDer, intermediatesDer, rootsDer: [served.authorities[by].rootDer] })).toBe(true)
  const identity = parseIdentity(leafDer)
  expect(identity.serial).toBe(certificate!.serial)
  return identity
}

describe('who may call', () => {
  const everyone = ['anonymous', 'node', 'bot', ...SERVICE_NAMES, 'viewer', 'operator', 'admin']
  const ALLOWED: Record<string, string[]> = {
    enrollService: everyone,
    renewService: ['token-service', 'registration-service'],
    signHost: ['registration-service'],
    signUser: ['registration-service'],
    signBot: ['registration-service'],
    getTrustBundle: everyone,
    listAuthorities: ['viewer', 'operator', 'admin'],
  }

  test('is said for every RPC of the contract', () => {
    expect(Object.keys(ALLOWED)).toEqual(Object.keys(ca.CaServiceService))
    for (const { path } of Object.values(ca.CaServiceService)) expect(served.server.callers.has(path)).toBe(true)
  })

  test.each(Object.entries(ca.CaServiceService))('%s', async (rpc, method) => {
    const callers = everyKindOfPeer(served.cluster)
    const { found, expected } = await accessOfEach(callers, ALLOWED[rpc]!, served.connect, method)
    expect(found).toEqual(expected)
  })
})

describe('EnrollService', () => {
  const privateKey = generateKey()

  function enroll(overrides: Partial<ca.EnrollServiceRequest> = {}) {
    const csrDer = createCsr({ privateKey, commonName: 'spiffe://evil/service/ca-service' })
    const request = { token: TOKENS['token-service'], csrDer, serviceName: 'token-service', dnsNames: ['localhost'] }
    return served.client(served.cluster.anonymous()).enrollService({ ...request, ...overrides })
  }

  test('gives a service its first identity, composed here and not out of its request', async () => {
    const identity = verified(await enroll())
    expect(identity).toMatchObject({
      spiffeId: `spiffe://${CLUSTER_NAME}/service/token-service`,
      commonName: 'token-service',
      roles: ['auth'],
      publicKeyDer: publicKeyDer(privateKey),
    })
    expect(new Set(identity.dnsNames)).toEqual(new Set(['token-service', `token-service.${CLUSTER_NAME}`, 'localhost']))
    const lifeMs = identity.notAfter.getTime() - Date.now()
    expect(Math.abs(lifeMs - 7_200_000)).toBeLessThan(60_000)
    const { rows } = await served.pool.query('select action, actor, remote_address, outcome, details from audit_events')
    expect(rows).toEqual([
      {
        action: 'service.enroll',
        actor: 'anonymous',
        remote_address: '127.0.0.1',
        outcome: 'ok',
        details: { service: 'token-service', serial: identity.serial },
      },
    ])
  })

  test('keeps neither certificate nor event if one of them cannot be kept', async () => {
    await served.pool.query('alter table audit_events add constraint full_disk check (false) not valid')
    try {
      expect((await refusal(enroll())).kind).toBe('internal')
      expect((await refusal(as('token-service').renewService({ dnsNames: [] }))).kind).toBe('internal')
    } finally {
      await served.pool.query('alter table audit_events drop constraint full_disk')
    }
    expect(await count('certificates')).toBe(0)
  })

  test('may be repeated', async () => {
    const [first, second] = [verified(await enroll()), verified(await enroll())]
    expect(second.serial).not.toBe(first.serial)
    expect(second.spiffeId).toBe(first.spiffeId)
  })

  test.each([
    ['no token', ''],
    ['a wrong token', 'CANARY-a-wrong-token-of-many-characters'],
    ['half a token', TOKENS['token-service'].slice(0, 20)],
    ['a token and more', `${TOKENS['token-service']}x`],
    ["another service's token", TOKENS['registration-service']],
  ])('refuses %s, keeps that on record, and signs nothing', async (_what, token) => {
    const error = await refusal(enroll({ token }))
    expect(error).toMatchObject({ kind: 'permissionDenied', reason: 'TOKEN_UNKNOWN' })
    expect(error.message).not.toContain('CANARY')
    expect(await count('certificates')).toBe(0)
    const { rows } = await served.pool.query('select outcome, reason, details from audit_events')
    expect(rows).toEqual([{ outcome: 'refused', reason: 'TOKEN_UNKNOWN', details: { service: 'token-service' } }])
  })

  test.each(['ca-service', 'dashboard', '', '../token-service', 'Token-Service', 'token-service\0', 'constructor'])(
    'refuses the name %j',
    async (serviceName) => {
      expect(await refusal(enroll({ serviceName }))).toMatchObject({ kind: 'invalidArgument', field: 'service_name' })
      expect(await count('certificates')).toBe(0)
    },
  )

  test.each([
    ['is no DNS name', ['a b']],
    ['is a wildcard', ['*.example']],
    ['is another service', ['registration-service']],
    ['is that of ca-service', [`ca-service.${CLUSTER_NAME}`]],
    ['is that of a node', [`${randomUUID()}.node.${CLUSTER_NAME}`]],
    ["is the cluster's", [CLUSTER_NAME.toUpperCase()]],
    ['is one too many', Array.from({ length: 14 }, (_, i) => `n${i}.example`)],
  ])('refuses a DNS name that %s', async (_what, dnsNames) => {
    expect(await refusal(enroll({ dnsNames }))).toMatchObject({ kind: 'invalidArgument', field: 'dns_names' })
    expect(await count('certificates')).toBe(0)
  })

  test('takes thirteen DNS names beside its own, said twice or in capitals', async () => {
    const dnsNames = ['Token-Service', 'A.example', ...Array.from({ length: 11 }, (_, i) => `n${i}.example`)]
    expect(verified(await enroll({ dnsNames })).dnsNames).toHaveLength(14)
  })

  test('refuses a request that is not signed by a key that is allowed', async () => {
    const good = createCsr({ privateKey, commonName: 'x' })
    const forged = Buffer.from(good)
    forged[good.length - 1] = forged[good.length - 1]! ^ 1
    const error = await refusal(enroll({ csrDer: forged }))
    expect(error).toMatchObject({ kind: 'invalidArgument', field: 'csr_der', reason: 'CSR_BAD_SIGNATURE' })
    for (const csrDer of [Buffer.of(), Buffer.from('junk'), Buffer.alloc(9_000, 0x30)]) {
      expect((await refusal(enroll({ csrDer }))).reason).toBe('CSR_MALFORMED')
    }
    expect(await count('certificates')).toBe(0)
  })
})

describe('RenewService', () => {
  test('gives the calling service another certificate for its name and the key it holds', async () => {
    for (const name of ['token-service', 'registration-service'] as const) {
      const member = served.cluster.service(name)
      const identity = verified(await served.client(member).renewService({ dnsNames: ['localhost'] }))
      expect(identity).toMatchObject({
        spiffeId: `spiffe://${CLUSTER_NAME}/service/${name}`,
        publicKeyDer: member.publicKeyDer,
        roles: ['auth'],
      })
      expect(identity.serial).not.toBe(member.serial)
      const { rows } = await served.pool.query(
        `select action, remote_address, outcome, details from audit_events where actor = $1`,
        [member.spiffeId],
      )
      expect(rows).toEqual([
        {
          action: 'service.renew',
          remote_address: '127.0.0.1',
          outcome: 'ok',
          details: { service: name, serial: identity.serial },
        },
      ])
    }
  })

  test('gives no service a DNS name of another', async () => {
    const error = await refusal(as('token-service').renewService({ dnsNames: ['ca-service'] }))
    expect(error.field).toBe('dns_names')
    expect(await count('certificates')).toBe(0)
  })
})

describe('SignHost', () => {
  const nodeId = '0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e11'
  const publicKey = publicKeyDer(generateKey())
  const sign = (overrides: Partial<ca.SignHostRequest> = {}) =>
    as('registration-service').signHost({ publicKeyDer: publicKey, nodeId, roles: ['proxy', 'node'], ...overrides })

  test('issues a node certificate whose names are not of the node choosing', async () => {
    const identity = verified(await sign())
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

  test('takes an Ed25519 key', async () => {
    const ed25519 = publicKeyDer(generateKey('ed25519'))
    expect(verified(await sign({ publicKeyDer: ed25519 })).publicKeyDer).toEqual(ed25519)
  })

  test('refuses every other kind of key', async () => {
    const spki = { type: 'spki', format: 'der' } as const
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export(spki)
    const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' }).publicKey.export(spki)
    for (const publicKeyDer of [rsa, p521]) {
      const error = await refusal(sign({ publicKeyDer }))
      expect(error).toMatchObject({ kind: 'invalidArgument', field: 'public_key_der', reason: 'KEY_NOT_ALLOWED' })
    }
    expect((await refusal(sign({ publicKeyDer: Buffer.from('junk') }))).kind).toBe('invalidArgument')
    expect(await count('certificates')).toBe(0)
  })

  test.each<[string, Partial<ca.SignHostRequest>]>([
    ['node_id', { nodeId: '../admin' }],
    ['node_id', { nodeId: '' }],
    ['roles', { roles: [] }],
    ['roles', { roles: ['admin'] }],
  ])('refuses a request with a bad %s', async (field, overrides) => {
    expect(await refusal(sign(overrides))).toMatchObject({ kind: 'invalidArgument', field })
    expect(await count('certificates')).toBe(0)
  })
})

describe('SignUser', () => {
  const publicKey = publicKeyDer(generateKey())
  const inAnHour = () => new Date(Date.now() + 3_600_000)
  const sign = (overrides: Partial<ca.SignUserRequest> = {}) =>
    as('registration-service').signUser({
      publicKeyDer: publicKey,
      name: 'ada',
      roles: ['viewer', 'operator'],
      sessionExpiresAt: inAnHour(),
      ...overrides,
    })

  test('issues a certificate of the user authority, for the configured time', async () => {
    const reply = await sign()
    const identity = verified(reply, 'user')
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

  test('lets no certificate outlive the session', async () => {
    const sessionExpiresAt = new Date(Date.now() + 60_000)
    const identity = verified(await sign({ sessionExpiresAt }), 'user')
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
  ])('refuses a bad %s: %j', async (field, overrides) => {
    expect(await refusal(sign(overrides))).toMatchObject({ kind: 'invalidArgument', field })
    expect(await count('certificates')).toBe(0)
  })
})

describe('SignBot', () => {
  const publicKey = publicKeyDer(generateKey())
  const sign = (overrides: Partial<ca.SignBotRequest> = {}) =>
    as('registration-service').signBot({ publicKeyDer: publicKey, name: 'ci', ...overrides })

  test('issues a certificate of the host authority with the role bot, for the configured time', async () => {
    const identity = verified(await sign())
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
  ])('refuses a bad %s', async (field, overrides) => {
    expect(await refusal(sign(overrides))).toMatchObject({ kind: 'invalidArgument', field })
    expect(await count('certificates')).toBe(0)
  })
})

describe('what anyone may know', () => {
  test('is the roots', async () => {
    const { trustBundle } = await served.client(served.cluster.anonymous()).getTrustBundle({})
    expect(trustBundle).toMatchObject({
      clusterName: CLUSTER_NAME,
      hostRootsDer: [served.authorities.host.rootDer],
      userRootsDer: [served.authorities.user.rootDer],
    })
  })
})

describe('ListAuthorities', () => {
  test('shows what an operator compares, and no key', async () => {
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
