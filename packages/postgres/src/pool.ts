import pg from 'pg'
import type { Logger } from '@muster/runtime'
import { clientsOf, type DatabaseOptions } from './client.ts'

/** A pool, or the client of a transaction: store functions take either. */
export type Db = pg.Pool | pg.PoolClient

/** Where to connect, and as what. */
export interface PoolOptions extends DatabaseOptions {
  /** The schema that the service owns; it is the whole search path. With a pooler, the role's own setting must say so. */
  schema: string
  applicationName: string
  /** The most connections that it opens. */
  size?: number
}

/** The server ends a statement after this long. */
const STATEMENT_MS = 10_000

/**
 * Opens a pool whose statements see one schema only. A statement fails after 10 s and a connection attempt after 5 s, so a
 * stuck database causes errors instead of a pile of waiting calls. A server that is gone without a word costs 2 s more.
 */
export function openPool(options: PoolOptions, log: Logger): pg.Pool {
  const { schema, applicationName, size = 10, poolMode = 'session' } = options
  const pool = new pg.Pool({
    ...clientsOf(options),
    max: size,
    application_name: applicationName,
    // A pooler hands sessions on, and takes no settings for one.
    ...(poolMode === 'session' && { options: `-c search_path=${schema}`, statement_timeout: STATEMENT_MS }),
    connectionTimeoutMillis: 5_000,
    query_timeout: STATEMENT_MS + 2_000,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
  })
  // Without a listener, an idle connection that the server closes (restart, failover) would end the process.
  pool.on('error', (error) => log.warn({ err: error }, 'lost an idle database connection'))
  return pool
}

/**
 * Checks what a session of Postgres behind a pooler must have by itself.
 * @throws Error that says what to set, unless the schema is the one that statements see
 */
export async function checkPooledSession(
  pool: pg.Pool,
  { schema }: Pick<PoolOptions, 'schema'>,
  log: Logger,
): Promise<void> {
  const { rows } = await pool.query<{ role: string; path: string; timeout: string }>(
    `select current_user as role, current_setting('search_path') as path, current_setting('statement_timeout') as timeout`,
  )
  const { role, path, timeout } = rows[0]!
  if (path.replaceAll('"', '') !== schema) {
    throw new Error(
      `behind a pooler, sessions of the role ${role} must see the schema ${schema} and no other, and they see ${path}. ` +
        `Run: alter role ${role} set search_path = ${schema}, then have the pooler open new sessions`,
    )
  }
  if (timeout === '0')
    log.warn({ role }, `statements have no time limit; run: alter role ${role} set statement_timeout = '10s'`)
}
