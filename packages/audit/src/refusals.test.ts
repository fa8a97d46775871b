import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { createLogger } from '@muster/runtime/service'
import type pg from 'pg'
import { Refusals } from './refusals.ts'
import { openStore, silentLog, type Store } from './test-support.ts'

let store: Store
let pool: pg.Pool

beforeAll(async () => {
  store = await openStore()
  pool = store.pool
})
beforeEach(async () => {
  await pool.query('truncate audit_events')
})
afterAll(async () => {
  await store.close()
})

async function rows(): Promise<Record<string, unknown>[]> {
  return (await pool.query('select action, outcome, reason, remote_address from audit_events')).rows
}

const event = { action: 'node.join', actor: 'anonymous', remoteAddress: '10.0.0.1', reason: 'TOKEN_UNKNOWN' }

describe('a refusal', () => {
  test('is written down as one', async () => {
    await new Refusals(pool, silentLog).record(event)
    expect(await rows()).toEqual([
      { action: 'node.join', outcome: 'refused', reason: 'TOKEN_UNKNOWN', remote_address: '10.0.0.1' },
    ])
  })

  test('of a flood is written down twenty times a second and no more', async () => {
    const refusals = new Refusals(pool, silentLog)
    const startedAt = Date.now()
    await Promise.all(Array.from({ length: 500 }, () => refusals.record(event)))
    const seconds = Math.floor(Date.now() / 1_000) - Math.floor(startedAt / 1_000) + 1
    const written = (await rows()).length
    expect(written).toBeGreaterThanOrEqual(20)
    expect(written).toBeLessThanOrEqual(20 * seconds)
  })

  test('that cannot be written down is no error, and is in the log', async () => {
    const lines: string[] = []
    const log = createLogger('test', 'info', { write: (line) => void lines.push(line) })
    const closed = store.openPool()
    await closed.end()
    await new Refusals(closed, log).record(event)
    expect(lines).toHaveLength(1)
    expect(JSON.parse(lines[0]!)).toMatchObject({ level: 'warn', action: 'node.join' })
  })
})
