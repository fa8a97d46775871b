import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { migrate, openPool } from '@muster/postgres'
import { createLogger } from '@muster/runtime/service'
import { createDatabase, type TestDatabase } from '@muster/testkit'
import type pg from 'pg'

export const silentLog = createLogger('test', 'silent')

/** The migrations that make up each service's table of audit events. */
export const MIGRATIONS = {
  'token-service': ['0001_tokens.sql', '0002_audit.sql'],
  'ca-service': ['0001_authorities.sql', '0002_audit.sql'],
  'registration-service': ['0001_nodes.sql', '0002_audit.sql'],
} as const

export type AuditedService = keyof typeof MIGRATIONS

/** A database with a service's own audit_events, in a schema that is the service's name. */
export interface Store {
  database: TestDatabase
  pool: pg.Pool
  /** Another connection to it, as another replica has one. */
  openPool(size?: number): pg.Pool
  close(): Promise<void>
}

export async function openStore(service: AuditedService = 'token-service'): Promise<Store> {
  const database = await createDatabase()
  await migrateAudit(database.url, service)
  const pools: pg.Pool[] = []
  const open = (size = 10) => {
    const pool = openPool({ databaseUrl: database.url, schema: service, applicationName: 'test', size }, silentLog)
    pools.push(pool)
    return pool
  }
  return {
    database,
    pool: open(),
    openPool: open,
    async close() {
      for (const pool of pools) if (!pool.ended) await pool.end()
      await database.drop()
    },
  }
}

/** Runs those migrations of a service alone: the later ones are no part of the audit. */
export async function migrateAudit(databaseUrl: string, service: AuditedService): Promise<void> {
  const all = fileURLToPath(new URL(`../../../services/${service}/migrations`, import.meta.url))
  const folder = await mkdtemp(path.join(os.tmpdir(), 'muster-audit-'))
  try {
    for (const file of MIGRATIONS[service]) await copyFile(path.join(all, file), path.join(folder, file))
    await migrate({ databaseUrl, schema: service, folder }, silentLog)
  } finally {
    await rm(folder, { recursive: true })
  }
}
