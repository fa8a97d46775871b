import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Db } from '@muster/postgres'
import { explaining, storeFunctions } from '@muster/testkit'
import type { Filter } from './event-filter.ts'
import { currentPosition, selectCommitted, selectEvents, startOfWatch } from './events.ts'
import { recordAudit } from './record.ts'
import { growRefusals, insertRefusal } from './refusal-rows.ts'
import { openStore, type Store } from '../test/support/audit.ts'

const EVENTS = 60_000
/** A page of 100 events is less; the table and each of its indexes have more. */
const MOST_PAGES = 150
/** Deletes in batches of a fixed size. */
const IN_BATCHES = ['purgeEvents']

let store: Store

beforeAll(async () => {
  store = await openStore()
  await store.pool.query('alter table audit_events set (autovacuum_enabled = off)')
  // Many transactions, as in life: each batch has one of its own.
  for (let batch = 0; batch < 20; batch++) {
    await store.pool.query(
      `insert into audit_events (at, action, actor, outcome, token_id, node_id, details)
       select now() - make_interval(secs => $1 - $2 * $3 - i), 'node.join', 'anonymous', 'ok', 'abcdefghij',
              gen_random_uuid(), '{}'
         from generate_series(1, $3::int) i`,
      [EVENTS, batch, EVENTS / 20],
    )
  }
})
afterAll(async () => {
  await store.close()
})

const ANY: Filter = {
  since: undefined,
  action: undefined,
  actor: undefined,
  tokenId: undefined,
  nodeId: undefined,
  outcome: undefined,
}
const page = { size: 100, before: undefined }

const CALLS: Record<string, (db: Db) => Promise<unknown>> = {
  'the newest events': (db) => selectEvents(db, { filter: ANY, ...page }),
  'a page further down': (db) =>
    selectEvents(db, { filter: ANY, size: 100, before: { at: '2026-01-01T00:00:00.000000Z', id: '1' } }),
  'the events of a token': (db) => selectEvents(db, { filter: { ...ANY, tokenId: 'abcdefghij' }, ...page }),
  'the events of a token that has none': (db) =>
    selectEvents(db, { filter: { ...ANY, tokenId: 'bcdefghijk' }, ...page }),
  'the events of a node': (db) =>
    selectEvents(db, { filter: { ...ANY, nodeId: '0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e11' }, ...page }),
  'the events of an action that is rare': (db) =>
    selectEvents(db, { filter: { ...ANY, action: 'user' }, ...page }, 2_000),
  'the events of a person who did nothing': (db) =>
    selectEvents(db, { filter: { ...ANY, actor: 'ada' }, ...page }, 2_000),
  'a look for news when there are none': async (db) => {
    const now = await currentPosition(db)
    await selectCommitted(db, { filter: ANY, from: now, until: now, after: startOfWatch(now), size: 500 })
  },
  'a new event': (db) => recordAudit(db, { action: 'token.create', actor: 'ada', outcome: 'ok' }),
  'a refusal, and more of its kind': async (db) => {
    const event = { action: 'node.join', actor: 'anonymous', reason: 'TOKEN_UNKNOWN' }
    const id = await insertRefusal(db, { event, count: 1, firstAgoMs: 0, lastAgoMs: 0 })
    await growRefusals(db, [{ id, count: 2, lastAgoMs: 0 }])
  },
}

describe('statements of the audit', () => {
  beforeAll(async () => {
    await store.pool.query('analyze')
  })

  test.each(Object.keys(CALLS))('a statement for %s reads no table whole and few pages', async (name) => {
    const { db, statements } = explaining(store.pool)
    await CALLS[name]!(db)
    expect(statements.length).toBeGreaterThan(0)
    for (const { text, pages, wholeTables } of statements) {
      expect({ text, wholeTables }).toEqual({ text, wholeTables: [] })
      expect({ text, pages: Math.max(pages, MOST_PAGES) }).toEqual({ text, pages: MOST_PAGES })
    }
  })
})

test('a statement of every function of the audit is explained here', async () => {
  const names = await storeFunctions(import.meta.dirname)
  const source = readFileSync(import.meta.filename, 'utf8')
  expect(names.length).toBeGreaterThan(2)
  expect(names.filter((name) => !IN_BATCHES.includes(name) && !source.includes(`${name}(db`))).toEqual([])
})
