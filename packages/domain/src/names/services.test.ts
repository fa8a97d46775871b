import { describe, expect, test } from '@jest/globals'
import {
  addressesVariable,
  describeService,
  ENROLLING_SERVICES,
  enrolTokenVariable,
  findService,
  SERVICE_NAMES,
  type ServiceDescriptor,
  SERVING_SERVICES,
  STORING_SERVICES,
} from './services.ts'

const rows: readonly ServiceDescriptor[] = SERVICE_NAMES.map((name) => describeService(name))

/** The values of a column; every service that has one must have its own. */
function values(column: (row: ServiceDescriptor) => unknown): unknown[] {
  return rows.map(column).filter((value) => value !== undefined)
}

describe('the table of services', () => {
  test.each<[string, (row: ServiceDescriptor) => unknown]>([
    ['short name', ({ shortName }) => shortName],
    ['schema', ({ schema }) => schema],
    ['gRPC port', ({ listenPort }) => listenPort],
    ['listening port', ({ listenPort, webPort }) => listenPort ?? webPort],
    ['diagnostics port', ({ diagnosticsPort }) => diagnosticsPort],
  ])('no two services have the same %s', (_column, column) => {
    const found = values(column)
    expect(found.length).toBeGreaterThan(1)
    expect(new Set(found).size).toBe(found.length)
  })

  test('every service calls only services that serve gRPC, and not itself', () => {
    for (const { name, calls } of rows) {
      expect(SERVING_SERVICES).toEqual(expect.arrayContaining([...calls]))
      expect(calls).not.toContain(name)
    }
  })

  test('every service but ca-service enrols', () => {
    expect(SERVICE_NAMES.filter((name) => !(ENROLLING_SERVICES as string[]).includes(name))).toEqual(['ca-service'])
  })

  test('the services of today keep their schemas, ports and variables', () => {
    expect(STORING_SERVICES.map((name) => describeService(name).schema)).toEqual(['token', 'ca', 'registration'])
    expect(SERVING_SERVICES.map((name) => describeService(name).listenPort)).toEqual([3026, 3027, 3025])
    expect(SERVING_SERVICES.map((name) => addressesVariable(name))).toEqual([
      'MUSTER_TOKEN_ADDRS',
      'MUSTER_CA_ADDRS',
      'MUSTER_REGISTRATION_ADDRS',
    ])
    expect(ENROLLING_SERVICES.map((name) => enrolTokenVariable(name))).toEqual([
      'MUSTER_TOKEN_SERVICE_ENROLL_TOKEN_FILE',
      'MUSTER_REGISTRATION_SERVICE_ENROLL_TOKEN_FILE',
      'MUSTER_WEB_SERVICE_ENROLL_TOKEN_FILE',
    ])
  })

  test('a service is found by its exact name only', () => {
    expect(findService('ca-service')).toBe('ca-service')
    for (const name of ['ca', 'CA-service', '', 'constructor']) expect(findService(name)).toBeUndefined()
  })
})
