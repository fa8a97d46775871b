import type pg from 'pg'
import { runner } from 'node-pg-migrate'
import type { Logger } from '@muster/runtime'
import { clientsOf, type DatabaseOptions } from './client.ts'

/** Which migrations to run, and where. */
export interface MigrateOptions extends DatabaseOptions {
  schema: string
  /** Folder of numbered .sql files. */
  folder: string
  /** Where applied migrations are recorded; folders that share a schema have a table each. */
  table?: string
}

/** Of node-pg-migrate, by which replicas of earlier versions take their turns. */
const LOCK_ID = '7241865325823964'

/**
 * Brings a schema up to date. Files that are not recorded yet run in one transaction, which also holds an advisory lock, so
 * replicas that start together take turns, and a pooler before Postgres may give each transaction a session of its own.
 */
export async function migrate(options: MigrateOptions, log: Logger): Promise<void> {
  const { schema, folder, table = 'migrations' } = options
  const { Client, connectionString } = clientsOf(options)
  const client = new Client({ connectionString })
  client.on('error', (error) => log.warn({ err: error }, 'lost the migration connection'))
  await client.connect()
  try {
    await client.query('begin')
    await client.query('set local statement_timeout = 0')
    await client.query(`select pg_advisory_xact_lock(${LOCK_ID})`)
    const applied = await runner({
      dbClient: withoutTransactions(client),
      dir: folder,
      direction: 'up',
      schema,
      migrationsSchema: schema,
      migrationsTable: table,
      createSchema: true,
      createMigrationsSchema: true,
      singleTransaction: true,
      noLock: true,
      log: (text) => log.debug({ text }, 'migration'),
    })
    // The runner sets it for the session, which a pooler hands on.
    await client.query('reset search_path')
    await client.query('commit')
    for (const { name } of applied) log.info({ event: 'schema.migrated', schema, migration: name }, 'migrated')
  } finally {
    await client.end()
  }
}

/** The client as the runner gets it: the transaction is ours, and begins before the runner looks at what is there. */
function withoutTransactions(client: pg.Client): pg.Client {
  const query = client.query.bind(client) as (...args: unknown[]) => unknown
  const isOurs = (text: unknown) => typeof text === 'string' && /^(?:begin|commit|rollback)$/i.test(text)
  const passed = (text: unknown, ...rest: unknown[]) =>
    isOurs(text) ? Promise.resolve({ rows: [] }) : query(text, ...rest)
  return { query: passed } as unknown as pg.Client
}
