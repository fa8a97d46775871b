import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { recordAudit } from './record.ts'
import { purgeEvents } from './retention.ts'
import { openStore, type Store } from '../test/support/audit.ts'

let store: Store

beforeAll(async () => {
  store = await openStore()
})
beforeEach(async () => {
  await store.pool.query('truncate audit_events')
})
afterAll(async () => {
  await store.close()
})

const RETENTION_SECONDS = 3_600

async function addOld(count: number): Promise<void> {
  await store.pool.query(
    `insert into audit_events (at, action, actor, outcome, details)
     select now() - interval '61 minutes', 'old', 'anonymous', 'ok', '{}' from generate_series(1, $1)`,
    [count],
  )
}

async function actions(): Promise<string[]> {
  const { rows } = await store.pool.query<{ action: string }>('select action from audit_events')
  return rows.map(({ action }) => action)
}

describe('events older than the retention', () => {
  test('events older than the retention are purged, batch after batch, and younger ones are kept', async () => {
    await addOld(25)
    await recordAudit(store.pool, { action: 'young', actor: 'anonymous', outcome: 'ok' })
    expect(await purgeEvents(store.pool, RETENTION_SECONDS, new AbortController().signal, 10)).toBe(25)
    expect(await actions()).toEqual(['young'])
  })

  test('events older than the retention are purged once by replicas that purge together', async () => {
    await addOld(500)
    const pools = [store.openPool(), store.openPool()]
    const signal = new AbortController().signal
    const purged = await Promise.all(pools.map((pool) => purgeEvents(pool, RETENTION_SECONDS, signal, 20)))
    expect(purged[0]! + purged[1]!).toBe(500)
    expect(await actions()).toEqual([])
  })

  test('events older than the retention stay when the service stops first', async () => {
    await addOld(1)
    await purgeEvents(store.pool, RETENTION_SECONDS, AbortSignal.abort())
    expect(await actions()).toEqual(['old'])
  })
})
