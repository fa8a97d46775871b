import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { audit as contract } from '@muster/contracts'
import { Lifecycle, systemClock } from '@muster/runtime'
import { eventually, testCluster } from '@muster/testkit'
import { connectionsTo, serveForTest } from '@muster/testkit/rpc'
import { openAudit } from './open-audit.ts'
import { openStore, silentLog, type Store } from '../test/support/audit.ts'

let store: Store
let life: Lifecycle

beforeAll(async () => {
  store = await openStore()
})
beforeEach(async () => {
  await store.pool.query('truncate audit_events')
  life = new Lifecycle()
})
afterEach(async () => {
  await life.close()
})
afterAll(async () => {
  await store.close()
})

function open() {
  const background = { clock: systemClock, log: silentLog, life, failures: { inc: () => {} } }
  return openAudit({ name: 'token-service', pool: store.pool, retentionSeconds: 3_600, background })
}

async function rows(columns: string) {
  return (await store.pool.query<Record<string, unknown>>(`select ${columns} from audit_events order by id`)).rows
}

describe('the audit of a service', () => {
  test('the audit of a service purges when it is opened, and has written every refusal when it is closed', async () => {
    await store.pool.query(
      `insert into audit_events (at, action, actor, outcome, details)
       values (now() - interval '61 minutes', 'old', 'anonymous', 'ok', '{}')`,
    )
    const { refusals } = open()
    await eventually('purged', async () => (await rows('action')).length === 0)
    for (let i = 0; i < 3; i++) await refusals.record({ action: 'node.join', actor: 'anonymous', reason: 'NO' })
    await life.close()
    expect(await rows('count')).toEqual([{ count: 3 }])
  })

  test('the audit of a service records callers of RPCs that they may not call', async () => {
    const { service, onRefused } = open()
    const cluster = testCluster()
    const { clusterName } = cluster
    const identity = cluster.service('token-service')
    const server = await serveForTest({ clusterName, identity, services: [service], onRefused })
    const { connect, closeAll } = connectionsTo(server, 'token-service')
    const node = cluster.node()
    for (const caller of [node, cluster.anonymous(), node]) {
      const { listEvents } = connect(caller).client(contract.AuditServiceService)
      await expect(listEvents({ pageSize: 0, pageToken: '', filter: undefined })).rejects.toThrow()
    }
    closeAll()
    await server.close()
    await life.close()
    expect(await rows('action, actor, remote_address, outcome, reason, count')).toEqual([
      {
        action: 'call.ListEvents',
        actor: node.spiffeId,
        remote_address: '127.0.0.1',
        outcome: 'refused',
        reason: 'CALLER_NOT_ALLOWED',
        count: 2,
      },
      expect.objectContaining({ actor: 'anonymous', reason: 'NO_IDENTITY', count: 1 }),
    ])
  })
})
