import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { describeService, type ServiceDescriptor } from '@muster/domain'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { z } from 'zod'
import { ConfigError, parseConfig } from './config.ts'
import { gateFields } from './gate-config.ts'
import { clusterNameField, serviceFields } from './service-config.ts'

const TOKEN_SERVICE = describeService('token-service')

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'muster-config-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

function fieldsOf(overrides: Partial<ServiceDescriptor>): string[] {
  return Object.keys(serviceFields({ ...TOKEN_SERVICE, ...overrides })).sort()
}

function problemsOf(schema: z.ZodObject, env: Record<string, string>): string[] {
  try {
    parseConfig(schema, env)
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n').slice(1)
    throw error
  }
  return []
}

describe('the variables of a service', () => {
  test('the variables of a service follow from its descriptor', () => {
    expect(fieldsOf({})).toEqual([
      'MUSTER_AUDIT_RETENTION',
      'MUSTER_CA_ADDRS',
      'MUSTER_CA_PINS',
      'MUSTER_DATABASE_NAMED_STATEMENTS',
      'MUSTER_DATABASE_POOL_MODE',
      'MUSTER_DATABASE_POOL_SIZE',
      'MUSTER_DATABASE_URL_FILE',
      'MUSTER_DIAGNOSTICS_ADDR',
      'MUSTER_DRAIN_TIMEOUT_MS',
      'MUSTER_ENROLL_TOKEN_FILE',
      ...Object.keys(gateFields())
        .filter((name) => name.startsWith('MUSTER_GATE'))
        .sort(),
      'MUSTER_LISTEN_ADDR',
      'MUSTER_LOG_LEVEL',
      'MUSTER_PROXY_PROTOCOL_FROM',
      'MUSTER_REGISTRATION_ADDRS',
      'MUSTER_TLS_DNS_NAMES',
    ])
  })

  test('the variables of a service name no database for a service without a schema', () => {
    const fields = fieldsOf({ schema: undefined })
    expect(fields).not.toContain('MUSTER_DATABASE_URL_FILE')
    expect(fields).not.toContain('MUSTER_AUDIT_RETENTION')
    expect(fields).toContain('MUSTER_LISTEN_ADDR')
  })

  test('the variables of a service name no listener for a service without a port', () => {
    const fields = fieldsOf({ listenPort: undefined })
    expect(fields).not.toContain('MUSTER_LISTEN_ADDR')
    expect(fields).not.toContain('MUSTER_DRAIN_TIMEOUT_MS')
    expect(fields).toContain('MUSTER_DIAGNOSTICS_ADDR')
  })

  test('the variables of a service name no enrolment for a service that has another identity, and the addresses of every service that it calls', () => {
    expect(fieldsOf({ enrols: false, schema: undefined, listenPort: undefined, calls: ['token-service'] })).toEqual([
      'MUSTER_DIAGNOSTICS_ADDR',
      'MUSTER_LOG_LEVEL',
      'MUSTER_TOKEN_ADDRS',
    ])
  })

  test('the variables of a service default to the ports of the descriptor', () => {
    const alone = {
      ...TOKEN_SERVICE,
      schema: undefined,
      enrols: false,
      calls: [],
      listenPort: 1,
      diagnosticsPort: 2,
    } as const
    expect(parseConfig(z.object(serviceFields(alone)), {})).toMatchObject({
      MUSTER_LISTEN_ADDR: '0.0.0.0:1',
      MUSTER_DIAGNOSTICS_ADDR: '127.0.0.1:2',
    })
  })

  test('the variables of a service are required only where there is no sensible default', () => {
    expect(problemsOf(z.object(serviceFields(TOKEN_SERVICE)), {})).toEqual([
      '  MUSTER_DATABASE_URL_FILE: is not set',
      '  MUSTER_CA_ADDRS: is not set',
      '  MUSTER_CA_PINS: is not set',
      '  MUSTER_ENROLL_TOKEN_FILE: is not set',
      '  MUSTER_REGISTRATION_ADDRS: is not set',
    ])
  })

  test('the variables of a service are all checked at once, and no secret is repeated', async () => {
    const secret = path.join(folder, 'secret')
    await writeFile(secret, 'CANARY-secret')
    const wrong = {
      MUSTER_CLUSTER_NAME: 'nodot',
      MUSTER_DIAGNOSTICS_ADDR: 'nowhere',
      MUSTER_LOG_LEVEL: 'loud',
      MUSTER_LISTEN_ADDR: 'nowhere',
      MUSTER_TLS_DNS_NAMES: 'a_b',
      MUSTER_DRAIN_TIMEOUT_MS: '-1',
      MUSTER_DATABASE_POOL_SIZE: '0',
      MUSTER_AUDIT_RETENTION: 'long',
      MUSTER_CA_ADDRS: 'a:b',
      MUSTER_CA_PINS: 'sha256:short',
      MUSTER_REGISTRATION_ADDRS: 'a.example:1,b.example:2',
    }
    const schema = z.object({ ...clusterNameField(), ...serviceFields(TOKEN_SERVICE) })
    const secrets = { MUSTER_DATABASE_URL_FILE: secret, MUSTER_ENROLL_TOKEN_FILE: secret }
    const problems = problemsOf(schema, { ...wrong, ...secrets })
    expect(problems.map((line) => line.trim().split(':')[0])).toEqual(Object.keys(wrong))
    expect(problems.join('\n')).not.toContain('CANARY')
  })

  test('the audit of a service is kept for 90 days by default', () => {
    const schema = z.object(serviceFields(TOKEN_SERVICE)).pick({ MUSTER_AUDIT_RETENTION: true })
    expect(parseConfig(schema, {})).toEqual({ MUSTER_AUDIT_RETENTION: 90 * 86_400 })
    expect(parseConfig(schema, { MUSTER_AUDIT_RETENTION: '2d' })).toEqual({ MUSTER_AUDIT_RETENTION: 2 * 86_400 })
  })
})

test('networks of balancers are networks, with commas between them', () => {
  const schema = z.object(gateFields())
  expect(parseConfig(schema, { MUSTER_PROXY_PROTOCOL_FROM: '10.0.3.7, 2001:db8::/32' })).toMatchObject({
    MUSTER_PROXY_PROTOCOL_FROM: ['10.0.3.7/32', '2001:db8::/32'],
  })
  for (const wrong of ['balancer.example', '10.0.3.7,', '10.0.0.0/33']) {
    expect(problemsOf(schema, { MUSTER_PROXY_PROTOCOL_FROM: wrong })[0]).toMatch(
      /PROXY_PROTOCOL_FROM: .*is not a network/,
    )
  }
})
