import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { createDatabase, silentLog, type TestDatabase } from '@muster/testkit'
import { migrate } from '@muster/postgres'
import pg from 'pg'
import { migrateWithAudit } from './migrate-with-audit.ts'

/** The services whose first migrations made the audit's table themselves. */
const OLDER_SERVICES = ['token-service', 'ca-service', 'registration-service']

let database: TestDatabase
let client: pg.Client

beforeAll(async () => {
  database = await createDatabase()
  client = new pg.Client({ connectionString: database.url })
  await client.connect()
})
beforeEach(() => client.query('drop schema if exists it cascade'))
afterAll(async () => {
  await client.end()
  await database.drop()
})

const folderOf = (service: string) => new URL(`../../../services/${service}/migrations`, import.meta.url).pathname
const target = () => ({ databaseUrl: database.url, schema: 'it' })

/** Columns, indexes, constraints and functions of the audit. */
async function shape(): Promise<string[]> {
  const { rows } = await client.query<{ line: string }>(
    `select line
       from (
         select format('%s %s %s %s', column_name, data_type, is_nullable, column_default) as line
           from information_schema.columns
          where table_schema = 'it' and table_name = 'audit_events'
         union all
         select indexdef from pg_indexes where schemaname = 'it' and tablename = 'audit_events'
         union all
         select format('%s %s', conname, pg_get_constraintdef(oid)) from pg_constraint
          where conrelid = 'it.audit_events'::regclass
         union all
         select pg_get_functiondef(oid) from pg_proc where pronamespace = 'it'::regnamespace) as shape
      order by line`,
  )
  return rows.map(({ line }) => line)
}

async function record(): Promise<void> {
  await client.query(`set search_path to it; select record_audit(action => 'node.join', actor => 'anonymous')`)
}

describe('the schema of a service', () => {
  test.each(OLDER_SERVICES)(
    'the schema of %s has the same audit as a service without migrations of its own',
    async (service) => {
      await migrateWithAudit(target(), silentLog)
      const fresh = await shape()
      expect(fresh.some((line) => line.includes('audit_events_by_tx'))).toBe(true)
      expect(fresh.some((line) => line.includes('FUNCTION it.record_audit'))).toBe(true)
      await client.query('drop schema it cascade')
      await migrateWithAudit({ ...target(), folder: folderOf(service) }, silentLog)
      expect(await shape()).toEqual(fresh)
    },
  )

  test.each(OLDER_SERVICES)(
    'the schema of %s from before the shared migration keeps its events, and takes new ones',
    async (service) => {
      await migrate({ ...target(), folder: folderOf(service) }, silentLog)
      await client.query(
        `insert into it.audit_events (action, actor, outcome, details, count) values ('old', 'anonymous', 'refused', '{}', 7)`,
      )
      await migrateWithAudit({ ...target(), folder: folderOf(service) }, silentLog)
      await record()
      const { rows } = await client.query('select id, action, outcome, details, count from it.audit_events order by id')
      expect(rows).toEqual([
        { id: '1', action: 'old', outcome: 'refused', details: {}, count: 7 },
        { id: '2', action: 'node.join', outcome: 'ok', details: {}, count: 1 },
      ])
    },
  )

  test('the schema of a service is migrated once by four replicas that start together', async () => {
    const folder = folderOf('token-service')
    await Promise.all(Array.from({ length: 4 }, () => migrateWithAudit({ ...target(), folder }, silentLog)))
    const { rows } = await client.query('select name from it.audit_migrations')
    expect(rows).toEqual([{ name: '0001_audit_events' }])
  })
})
