import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import type { ca } from '@muster/contracts'
import { parse as parseYaml } from 'yaml'
import { PUBLIC_ADDRESS, startTestCluster, type TestCluster } from '../../test/support/cluster.ts'

let cluster: TestCluster

const dates = {
  createdAt: new Date('2026-11-20T08:00:00Z'),
  rootExpiresAt: new Date('2036-11-17T08:00:00Z'),
  issuingExpiresAt: new Date('2027-02-18T08:00:00Z'),
}
const answer: ca.ListAuthoritiesResponse = {
  clusterName: 'muster.internal',
  version: '0.1.0',
  authorities: [
    { type: 'host', pin: `sha256:${'a'.repeat(64)}`, rotatedAt: undefined, ...dates },
    { type: 'user', pin: `sha256:${'b'.repeat(64)}`, rotatedAt: new Date('2026-11-21T09:30:00Z'), ...dates },
  ],
}

beforeAll(async () => {
  cluster = await startTestCluster()
})
afterAll(() => cluster.close())

beforeEach(() => {
  cluster.answers = { ca: { listAuthorities: async () => answer } }
})

test('status shows the cluster, its version, each authority and the host pin', async () => {
  const { status, stdout } = await cluster.run(['status'])
  expect(stdout.split('\n').slice(0, 6)).toEqual([
    'Cluster   muster.internal',
    'Version   0.1.0',
    'host CA   never rotated',
    'user CA   rotated 2026-11-21 09:30 UTC',
    `CA pin    sha256:${'a'.repeat(64)}`,
    `Address   ${PUBLIC_ADDRESS}`,
  ])
  expect(stdout).toMatch(/\nOperator {2}alice, certificate valid for (?:\d+[dhm])+\n$/)
  expect(status).toBe(0)
})

test('status prints JSON and YAML with stable keys', async () => {
  const { stdout } = await cluster.run(['status', '--format=json'])
  const found = JSON.parse(stdout) as Record<string, unknown>
  expect(found).toMatchObject({
    cluster_name: 'muster.internal',
    version: '0.1.0',
    ca_pins: [`sha256:${'a'.repeat(64)}`],
    auth_server: PUBLIC_ADDRESS,
    operator: { name: 'alice' },
  })
  expect(found.authorities).toContainEqual({
    type: 'user',
    pin: `sha256:${'b'.repeat(64)}`,
    created_at: '2026-11-20T08:00:00.000Z',
    rotated_at: '2026-11-21T09:30:00.000Z',
    root_expires_at: '2036-11-17T08:00:00.000Z',
    issuing_expires_at: '2027-02-18T08:00:00.000Z',
  })
  expect(Object.keys(found.addresses as object)).toEqual(['registration_service', 'token_service', 'ca_service'])
  const yaml = await cluster.run(['status', '--format=yaml'])
  expect(parseYaml(yaml.stdout)).toEqual(found)
})
