import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { audit as auditContract } from '@muster/contracts'
import { describeService, type ServiceDescriptor } from '@muster/domain'
import { operators } from '@muster/rpc'
import { Lifecycle, repeatEvery, systemClock } from '@muster/runtime'
import { createDatabase, eventually, testCluster, type TestDatabase } from '@muster/testkit'
import { connectForTest, rejection, sampleService, sayWhoCalls, whoAmI } from '@muster/testkit/rpc'
import { memoryLog } from '@muster/testkit/log'
import { type FakeAuthority, serveAuthority } from '../test/support/authority.ts'
import { openService } from './open-service.ts'
import { z } from 'zod'
import { parseConfig } from './config.ts'
import { gateFields } from './gate-config.ts'
import type { ServiceConfig } from './service-config.ts'

const STORED = describeService('token-service')
const SCHEMALESS = { ...STORED, schema: undefined } as const
const PORTLESS = { ...STORED, schema: undefined, listenPort: undefined, calls: [] } as const

const cluster = testCluster()
const { log, lines } = memoryLog()
let database: TestDatabase
let authority: FakeAuthority
let life: Lifecycle

beforeAll(async () => {
  database = await createDatabase()
  authority = await serveAuthority(cluster, systemClock)
})
beforeEach(() => {
  life = new Lifecycle()
  lines.length = 0
  authority.calls = []
})
afterEach(() => life.close())
afterAll(async () => {
  await authority.server.close()
  await database.drop()
})

/** A service as its environment would start it. */
function start<D extends ServiceDescriptor>(descriptor: D) {
  const config = {
    MUSTER_DIAGNOSTICS_ADDR: '127.0.0.1:0',
    MUSTER_LOG_LEVEL: 'info',
    MUSTER_LISTEN_ADDR: '127.0.0.1:0',
    MUSTER_TLS_DNS_NAMES: ['localhost'],
    MUSTER_DRAIN_TIMEOUT_MS: 1_000,
    ...parseConfig(z.object(gateFields()), {}),
    MUSTER_DATABASE_URL_FILE: database.url,
    MUSTER_DATABASE_POOL_SIZE: 2,
    MUSTER_AUDIT_RETENTION: 60,
    MUSTER_CA_ADDRS: [authority.server.address],
    MUSTER_CA_PINS: [cluster.pin],
    MUSTER_ENROLL_TOKEN_FILE: 'CANARY-enrolment-token',
    MUSTER_REGISTRATION_ADDRS: ['127.0.0.1:1'],
  }
  return openService(descriptor, { config: config as unknown as ServiceConfig<D>, log, life, clock: systemClock })
}

const whoCalls = sampleService({ getTrustBundle: { ...sayWhoCalls, callers: operators('viewer') } })
const anyoneMayAsk = sampleService({ getTrustBundle: sayWhoCalls })
const readiness = (address: string) => fetch(`http://${address}/readyz`).then(({ status }) => status)
const metricsOf = async (address: string) => (await fetch(`http://${address}/metrics`)).text()
const readyLine = () => lines.find(({ event }) => event === 'service.ready')

describe('a service with everything', () => {
  test('a service with everything has its schema, an audit that operators read, an identity of its own, and is ready', async () => {
    const { pool, join } = await start(STORED)
    const { serve, identity } = await join()
    const currentRoles = async () => ['viewer']
    const { address, diagnosticsAddress } = await serve({ services: [anyoneMayAsk], currentRoles })
    expect(identity.clusterName).toBe(cluster.clusterName)
    expect(authority.calls).toEqual([{ rpc: 'enroll', token: 'CANARY-enrolment-token' }])
    const { rows } = await pool.query<{ schema: string }>('select current_schema() as schema')
    expect(rows).toEqual([{ schema: 'token' }])
    const operator = connectForTest(address!, 'token-service', cluster.user('ada', 'viewer'))
    const request = { pageSize: 1, pageToken: '', filter: undefined }
    await expect(operator.client(auditContract.AuditServiceService).listEvents(request)).resolves.toBeDefined()
    operator.close()
    await eventually('ready', async () => (await readiness(diagnosticsAddress)) === 200)
    expect(readyLine()).toMatchObject({ address, diagnosticsAddress })
    expect(JSON.stringify(lines)).not.toContain('CANARY')
  })

  test('a service with everything closes everything that it opened, and serves no call after that', async () => {
    const { pool, join } = await start(STORED)
    const { serve } = await join()
    const { address, diagnosticsAddress } = await serve({ services: [anyoneMayAsk] })
    await life.close()
    const late = connectForTest(address!, 'token-service', cluster.node())
    expect((await rejection(whoAmI(late))).kind).toBe('unavailable')
    late.close()
    await expect(readiness(diagnosticsAddress)).rejects.toThrow()
    expect(pool.ended).toBe(true)
  })
})

describe('a service without a schema', () => {
  test('a service without a schema opens no database, serves calls, and is ready', async () => {
    const { pool, audit, join } = await start(SCHEMALESS)
    expect([pool, audit]).toEqual([undefined, undefined])
    const { serve } = await join()
    const { address, diagnosticsAddress } = await serve({ services: [anyoneMayAsk] })
    const caller = connectForTest(address!, 'token-service', cluster.node('n1'))
    expect(await whoAmI(caller)).toContain('/node/n1 ')
    caller.close()
    await eventually('ready', async () => (await readiness(diagnosticsAddress)) === 200)
  })

  test('a service without a schema asks registration-service about people, and rejects them while it cannot ask', async () => {
    const { join } = await start(SCHEMALESS)
    const { serve } = await join()
    const { address } = await serve({ services: [whoCalls] })
    const caller = connectForTest(address!, 'token-service', cluster.user('ada', 'admin'))
    const refused = await rejection(whoAmI(caller))
    expect(refused).toMatchObject({ kind: 'unavailable' })
    expect(refused.message).toContain('registration-service')
    caller.close()
  })

  test('a service without a schema does not start if it has no source for the roles of people', async () => {
    const { join } = await start({ ...SCHEMALESS, calls: [] } as const)
    const { serve } = await join()
    await expect(async () => serve({ services: [whoCalls] })).rejects.toThrow(
      'token-service must call registration-service, or say itself which roles a person has',
    )
  })

  test('a service without a schema is as ready as its own check says', async () => {
    const { join } = await start(SCHEMALESS)
    const { serve } = await join()
    let isUp = true
    const check = async () => {
      if (!isUp) throw new Error('no upstream')
    }
    const { diagnosticsAddress } = await serve({ check })
    await eventually('ready', async () => (await readiness(diagnosticsAddress)) === 200)
    isUp = false
    await eventually('not ready', async () => (await readiness(diagnosticsAddress)) === 503)
  })
})

describe('a service without a port', () => {
  test('a service without a port has an identity and diagnostics, and no address', async () => {
    const { join } = await start(PORTLESS)
    const { serve, identity } = await join()
    const { address, diagnosticsAddress } = await serve()
    expect(identity.tls.current.own).toBeDefined()
    expect(address).toBeUndefined()
    await eventually('ready', async () => (await readiness(diagnosticsAddress)) === 200)
    expect(readyLine()).toMatchObject({ diagnosticsAddress })
    expect(readyLine()).not.toHaveProperty('address')
  })

  test('a service without a port counts the failures of its background tasks in its metrics', async () => {
    const { background, join } = await start(PORTLESS)
    const work = () => Promise.reject(new Error('no luck'))
    repeatEvery({ task: 'sample-sweep', everyMs: 3_600_000, work }, background)
    const { diagnosticsAddress } = await (await join()).serve()
    expect(await metricsOf(diagnosticsAddress)).toContain(
      'muster_background_failures_total{task="sample-sweep",service="token-service"} 1',
    )
  })
})
