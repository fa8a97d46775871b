import pg from 'pg'
import type { Logger } from '@muster/runtime'

/** A pool or a client of a transaction: store functions take either. */
export type Db = pg.Pool | pg.PoolClient

/** Where to connect, and as what. */
export interface PoolOptions {
  databaseUrl: string
  /** The schema that the service owns; it is the whole search path. */
  schema: string
  applicationName: string
  /** Connections at most. */
  size?: number
}

/**
 * A pool whose statements see one schema only. A statement runs 10 s at most, and connecting takes 5 s at most, so a
 * stuck database becomes an error and not a pile of waiting calls.
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
  // An idle connection that the server ends (restart, failover) is no reason to end the process; the next query opens another.
  pool.on('error', (error) => log.warn({ err: error }, 'lost an idle database connection'))
  return pool
}
