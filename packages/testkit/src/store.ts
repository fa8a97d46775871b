import { migrateWithAudit } from '@muster/audit'
import { openPool } from '@muster/postgres'
import type pg from 'pg'
import { createDatabase, type TestDatabase } from './database.ts'
import { CALL_LIMIT_MS } from './limits.ts'
import { silentLog } from './silent-log.ts'

/** The schema of a store, and how many connections its pools take. */
export interface StoreOptions {
  schema: string
  /** The migrations of the service; without it the schema holds an audit alone. */
  folder?: string
  poolSize?: number
}

/** A database of one test file with the schema of one service. */
export interface Store {
  database: TestDatabase
  pool: pg.Pool
  /** Opens another pool, as another replica has. The store closes it. */
  openPool(size?: number): pg.Pool
  close(): Promise<void>
}

/** Makes a database and brings its schema up to date as the service does. */
export async function openStore({ schema, folder, poolSize = 10 }: StoreOptions): Promise<Store> {
  const database = await createDatabase()
  await migrateWithAudit({ databaseUrl: database.url, schema, folder }, silentLog)
  const pools: pg.Pool[] = []
  const open = (size = poolSize) => {
    const pool = openPool({ databaseUrl: database.url, schema, applicationName: 'test', size }, silentLog)
    // A race of a thousand callers on a busy machine may wait for a connection or a lock for longer than the product would.
    Object.assign(pool.options, { connectionTimeoutMillis: CALL_LIMIT_MS, statement_timeout: CALL_LIMIT_MS })
    pools.push(pool)
    return pool
  }
  return {
    database,
    pool: open(),
    openPool: open,
    async close() {
      await Promise.all(pools.filter(({ ended }) => !ended).map((pool) => pool.end()))
      await database.drop()
    },
  }
}
