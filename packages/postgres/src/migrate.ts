import pg from 'pg'
import { runner } from 'node-pg-migrate'
import type { Logger } from '@muster/runtime'

export interface MigrateOptions {
  databaseUrl: string
  schema: string
  /** Folder of numbered .sql files. */
  folder: string
}

/**
 * Brings a service's schema up to date. Replicas that start together take turns by an advisory lock;
 * every file that is not yet recorded runs, in one transaction, and what was applied already is left alone.
 */
export async function migrate({ databaseUrl, schema, folder }: MigrateOptions, log: Logger): Promise<void> {
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
      migrationsTable: 'migrations',
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
