import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { ca } from '@muster/contracts'
import { createCsr, generateKey, publicKeyDer } from '@muster/pki'
import { randomUUID } from 'node:crypto'
import { CLUSTER_NAME, refusal, serveCa, TOKENS, type Served } from '../../test/support/service.ts'

let served: Served

beforeAll(async () => {
  served = await serveCa()
})
beforeEach(() => served.clear())
afterAll(() => served.close())

describe('EnrollService', () => {
  const privateKey = generateKey()

  function enroll(overrides: Partial<ca.EnrollServiceRequest> = {}) {
    const csrDer = createCsr({ privateKey, commonName: 'spiffe://evil/service/ca-service' })
    const request = { token: TOKENS['token-service'], csrDer, serviceName: 'token-service', dnsNames: ['localhost'] }
    return served.client(served.cluster.anonymous()).enrollService({ ...request, ...overrides })
  }

  test('EnrollService gives a service its first identity, composed by ca-service and not from the request', async () => {
    const identity = served.verified(await enroll())
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

  test('EnrollService stores neither certificate nor event if one of them cannot be stored', async () => {
    await served.pool.query('alter table audit_events add constraint full_disk check (false) not valid')
    try {
      expect((await refusal(enroll())).kind).toBe('internal')
      expect((await refusal(served.as('token-service').renewService({ dnsNames: [] }))).kind).toBe('internal')
    } finally {
      await served.pool.query('alter table audit_events drop constraint full_disk')
    }
    expect(await served.count('certificates')).toBe(0)
  })

  test('EnrollService refuses an optional service whose token is not configured, whatever token it brings', async () => {
    for (const token of ['', TOKENS['token-service']]) {
      const refused = await refusal(enroll({ token, serviceName: 'web-service', dnsNames: [] }))
      expect(refused).toMatchObject({ kind: 'permissionDenied', reason: 'TOKEN_UNKNOWN' })
    }
    expect(await served.count('certificates')).toBe(0)
  })

  test('EnrollService may be repeated', async () => {
    const [first, second] = [served.verified(await enroll()), served.verified(await enroll())]
    expect(second.serial).not.toBe(first.serial)
    expect(second.spiffeId).toBe(first.spiffeId)
  })

  test.each([
    ['no token', ''],
    ['a wrong token', 'CANARY-a-wrong-token-of-many-characters'],
    ['half a token', TOKENS['token-service'].slice(0, 20)],
    ['a token and more', `${TOKENS['token-service']}x`],
    ["another service's token", TOKENS['registration-service']],
  ])('EnrollService refuses %s, records that, and signs nothing', async (_what, token) => {
    const error = await refusal(enroll({ token }))
    expect(error).toMatchObject({ kind: 'permissionDenied', reason: 'TOKEN_UNKNOWN' })
    expect(error.message).not.toContain('CANARY')
    expect(await served.count('certificates')).toBe(0)
    const { rows } = await served.pool.query('select outcome, reason, details from audit_events')
    expect(rows).toEqual([{ outcome: 'refused', reason: 'TOKEN_UNKNOWN', details: { service: 'token-service' } }])
  })

  test.each(['ca-service', 'dashboard', '', '../token-service', 'Token-Service', 'token-service\0', 'constructor'])(
    'EnrollService refuses the name %j',
    async (serviceName) => {
      expect(await refusal(enroll({ serviceName }))).toMatchObject({ kind: 'invalidArgument', field: 'service_name' })
      expect(await served.count('certificates')).toBe(0)
    },
  )

  test.each([
    ['is not a DNS name', ['a b']],
    ['is a wildcard', ['*.example']],
    ['is another service', ['registration-service']],
    ['is that of ca-service', [`ca-service.${CLUSTER_NAME}`]],
    ['is that of a node', [`${randomUUID()}.node.${CLUSTER_NAME}`]],
    ["is the cluster's", [CLUSTER_NAME.toUpperCase()]],
    ['is one too many', Array.from({ length: 14 }, (_, i) => `n${i}.example`)],
  ])('EnrollService refuses a DNS name that %s', async (_what, dnsNames) => {
    expect(await refusal(enroll({ dnsNames }))).toMatchObject({ kind: 'invalidArgument', field: 'dns_names' })
    expect(await served.count('certificates')).toBe(0)
  })

  test('EnrollService accepts thirteen more DNS names, repeated or in capitals', async () => {
    const dnsNames = ['Token-Service', 'A.example', ...Array.from({ length: 11 }, (_, i) => `n${i}.example`)]
    expect(served.verified(await enroll({ dnsNames })).dnsNames).toHaveLength(14)
  })

  test('EnrollService refuses a request that is not signed by an allowed key', async () => {
    const good = createCsr({ privateKey, commonName: 'x' })
    const forged = Buffer.from(good)
    forged[good.length - 1] = forged[good.length - 1]! ^ 1
    const error = await refusal(enroll({ csrDer: forged }))
    expect(error).toMatchObject({ kind: 'invalidArgument', field: 'csr_der', reason: 'CSR_BAD_SIGNATURE' })
    for (const csrDer of [Buffer.of(), Buffer.from('junk'), Buffer.alloc(9_000, 0x30)]) {
      expect((await refusal(enroll({ csrDer }))).reason).toBe('CSR_MALFORMED')
    }
    expect(await served.count('certificates')).toBe(0)
  })
})

describe('RenewService', () => {
  test('RenewService gives the calling service another certificate for its name and key', async () => {
    for (const name of ['token-service', 'registration-service'] as const) {
      const member = served.cluster.service(name)
      const identity = served.verified(await served.client(member).renewService({ dnsNames: ['localhost'] }))
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

  test('RenewService gives a service no DNS name of another service', async () => {
    const error = await refusal(served.as('token-service').renewService({ dnsNames: ['ca-service'] }))
    expect(error.field).toBe('dns_names')
    expect(await served.count('certificates')).toBe(0)
  })
})
