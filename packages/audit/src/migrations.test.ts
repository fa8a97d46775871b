import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { createDatabase, type TestDatabase } from '@muster/testkit'
import pg from 'pg'
import { migrateAudit, MIGRATIONS, type AuditedService } from '../test/support/audit.ts'

let database: TestDatabase
let client: pg.Client

beforeAll(async () => {
  database = await createDatabase()
  client = new pg.Client({ connectionString: database.url })
  await client.connect()
})
afterAll(async () => {
  await client.end()
  await database.drop()
})

/** Columns, indexes and constraints of a service's audit_events, in no schema. */
async function shapeOf(service: AuditedService): Promise<string[]> {
  await migrateAudit(database.url, service)
  const { rows } = await client.query<{ line: string }>(
    `select replace(line, $1, '') as line
       from (
         select format('%s %s %s %s', column_name, data_type, is_nullable, column_default) as line
           from information_schema.columns
          where table_schema = $2 and table_name = 'audit_events'
         union all
         select indexdef from pg_indexes where schemaname = $2 and tablename = 'audit_events'
         union all
         select format('%s %s', conname, pg_get_constraintdef(oid)) from pg_constraint
          where conrelid = format('%I.audit_events', $2::text)::regclass) as shape
      order by line`,
    [`"${service}".`, service],
  )
  return rows.map(({ line }) => line)
}

test('the three services keep their audit in the same table', async () => {
  const shapes = await Promise.all((Object.keys(MIGRATIONS) as AuditedService[]).map(shapeOf))
  expect(shapes[0]!.some((line) => line.includes('audit_events_by_tx'))).toBe(true)
  expect(shapes[1]).toEqual(shapes[0])
  expect(shapes[2]).toEqual(shapes[0])
})

test('events from before the migration are kept, each counting as one', async () => {
  await client.query(`
    create schema old;
    set search_path to old;
    create table audit_events (
      id bigint generated always as identity primary key, at timestamptz not null default now(), action text not null,
      actor text not null, remote_address text, outcome text not null, reason text, token_id text, node_id uuid,
      details jsonb not null);
    insert into audit_events (action, actor, outcome, details) values ('node.join', 'anonymous', 'ok', '{}');`)
  const { readFile } = await import('node:fs/promises')
  const migration = new URL('../../../services/token-service/migrations/0002_audit.sql', import.meta.url)
  await client.query(await readFile(migration, 'utf8'))
  const { rows } = await client.query('select action, count, last_at, tx is not null as has_tx from audit_events')
  expect(rows).toEqual([{ action: 'node.join', count: 1, last_at: null, has_tx: true }])
})
