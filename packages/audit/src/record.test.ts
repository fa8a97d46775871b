import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { transaction } from '@muster/postgres'
import { recordAudit } from './record.ts'
import { openStore, type Store } from '../test/support/audit.ts'

let store: Store

beforeAll(async () => {
  store = await openStore()
  await store.pool.query('create table counters (value integer constraint counters_positive check (value >= 0))')
})
beforeEach(async () => {
  await store.pool.query('truncate audit_events')
})
afterAll(async () => {
  await store.close()
})

describe('an audit event', () => {
  const event = {
    action: 'token.create',
    actor: 'spiffe://c.internal/user/ada',
    outcome: 'ok',
    tokenId: 'abcdefghij',
    nodeId: '0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e11',
    details: { roles: ['node'] },
  } as const

  async function events() {
    const columns = 'action, actor, remote_address, outcome, reason, token_id, node_id, details, count, last_at'
    return (await store.pool.query(`select ${columns} from audit_events`)).rows
  }

  test('an audit event is committed with the change that it records', async () => {
    await transaction(store.pool, async (db) => {
      await db.query('insert into counters values (1)')
      await recordAudit(db, event)
    })
    expect(await events()).toEqual([
      {
        action: 'token.create',
        actor: 'spiffe://c.internal/user/ada',
        remote_address: null,
        outcome: 'ok',
        reason: null,
        token_id: 'abcdefghij',
        node_id: '0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e11',
        details: { roles: ['node'] },
        count: 1,
        last_at: null,
      },
    ])
  })

  test('an audit event is rolled back with the change that it records', async () => {
    const failed = transaction(store.pool, async (db) => {
      await recordAudit(db, event)
      await db.query('insert into counters values (-1)')
    })
    await expect(failed).rejects.toThrow('counters_positive')
    expect(await events()).toEqual([])
  })
})
