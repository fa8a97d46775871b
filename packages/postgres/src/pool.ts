import pg from 'pg'
import type { Logger } from '@muster/runtime'

/** A pool, or the client of a transaction: store functions take either. */
export type Db = pg.Pool | pg.PoolClient

/** Where to connect, and as what. */
export interface PoolOptions {
  databaseUrl: string
  /** The schema that the service owns; it is the whole search path. */
  schema: string
  applicationName: string
  /** The most connections that it opens. */
  size?: number
}

/**
 * Opens a pool whose statements see one schema only. A statement fails after 10 s and a connection attempt after 5 s, so a
 * stuck database causes errors instead of a pile of waiting calls.
 */
export function openPool({ databaseUrl, schema, applicationName, size = 10 }: PoolOptions, log: Logger): pg.Pool {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: size,
    application_name: applicationName,
    options: `-c search_path=${schema}`,
    connectionTimeoutMillis: 5_000,
    statement_timeout: 10_000,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
  })
  // Without a listener, an idle connection that the server closes (restart, failover) would end the process.
  pool.on('error', (error) => log.warn({ err: error }, 'lost an idle database connection'))
  return pool
}
