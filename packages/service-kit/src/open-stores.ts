import { fileURLToPath } from 'node:url'
import { type Audit, migrateWithAudit, openAudit } from '@muster/audit'
import type { ServiceDescriptor } from '@muster/domain'
import { checkPooledSession, openPool } from '@muster/postgres'
import type { Background } from '@muster/runtime'
import { type AnyServiceConfig, databaseOf } from './service-config.ts'

/** The database pool of a service, whose statements see its own schema only. */
export type Pool = ReturnType<typeof openPool>

/** What a service that owns a schema has. */
export interface Stores {
  pool: Pool
  audit: Audit
}

/**
 * Brings the schema of a service up to date and opens its pool and its audit.
 * @returns undefined for a service that owns no schema
 */
export async function openStores(
  { name, schema }: ServiceDescriptor,
  config: AnyServiceConfig,
  background: Background,
  migrations: URL | undefined,
): Promise<Stores | undefined> {
  if (schema === undefined) return undefined
  const { log, life } = background
  const database = databaseOf(config as Parameters<typeof databaseOf>[0])
  const folder = migrations === undefined ? undefined : fileURLToPath(migrations)
  await migrateWithAudit({ ...database, schema, folder }, log)
  const poolOptions = { ...database, schema, applicationName: name, size: config.MUSTER_DATABASE_POOL_SIZE! }
  const pool = life.own('database', openPool(poolOptions, log), (p) => p.end())
  if (database.poolMode === 'transaction') await checkPooledSession(pool, { schema }, log)
  const audit = openAudit({ name, pool, retentionSeconds: config.MUSTER_AUDIT_RETENTION!, background })
  return { pool, audit }
}
