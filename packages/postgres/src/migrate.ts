import pg from 'pg'
import { runner } from 'node-pg-migrate'
import type { Logger } from '@muster/runtime'

/** Which migrations to run, and where. */
export interface MigrateOptions {
  databaseUrl: string
  schema: string
  /** Folder of numbered .sql files. */
  folder: string
  /** Where applied migrations are recorded; folders that share a schema have a table each. */
  table?: string
}

/**
 * Brings a schema up to date. Files that are not recorded yet run in one transaction. Replicas that start together take
 * turns by an advisory lock.
 */
export async function migrate(
  { databaseUrl, schema, folder, table = 'migrations' }: MigrateOptions,
  log: Logger,
): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl })
  client.on('error', (error) => log.warn({ err: error }, 'lost the migration connection'))
  await client.connect()
  try {
    const applied = await runner({
      dbClient: client,
      dir: folder,
      direction: 'up',
      schema,
      migrationsSchema: schema,
      migrationsTable: table,
      createSchema: true,
      createMigrationsSchema: true,
      singleTransaction: true,
      advisoryLockMode: 'wait',
      log: (text) => log.debug({ text }, 'migration'),
    })
    for (const { name } of applied) log.info({ event: 'schema.migrated', schema, migration: name }, 'migrated')
  } finally {
    await client.end()
  }
}
