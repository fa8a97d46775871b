import path from 'node:path'
import { describeService, STORING_SERVICES, type StoringService } from '@muster/domain'
import type { Postgres } from '@muster/embedded-stores'
import { writeFileAtomic } from '@muster/runtime'
import pg from 'pg'
import { ensureSecret } from './secrets.ts'

/** For each service that owns a schema, the file that holds its database URL. */
export type DatabaseUrlFiles = Record<StoringService, string>

/**
 * Prepares one database with a login role for each service that owns a schema. A role can create and read its own schema
 * and no other. Passwords are kept. The files are written again at each start, since the port changes.
 */
export async function prepareDatabase(
  postgres: Pick<Postgres, 'url'>,
  folder: string,
  database = 'muster',
): Promise<DatabaseUrlFiles> {
  const admin = new pg.Client({ connectionString: postgres.url() })
  await admin.connect()
  try {
    const { rowCount } = await admin.query('select 1 from pg_database where datname = $1', [database])
    if (rowCount === 0) await admin.query(`create database ${pg.escapeIdentifier(database)}`)
    await admin.query(`revoke all on database ${pg.escapeIdentifier(database)} from public`)
    const files: Partial<DatabaseUrlFiles> = {}
    for (const service of STORING_SERVICES) {
      const user = `${database}_${describeService(service).schema}`
      const password = await ensureSecret(path.join(folder, `${user}-password`))
      await ensureRole(admin, user, password)
      await admin.query(
        `grant connect, create on database ${pg.escapeIdentifier(database)} to ${pg.escapeIdentifier(user)}`,
      )
      // As a pooler before Postgres needs it.
      await admin.query(
        `alter role ${pg.escapeIdentifier(user)} in database ${pg.escapeIdentifier(database)} set search_path = ${pg.escapeIdentifier(describeService(service).schema)}`,
      )
      files[service] = path.join(folder, `${user}-database-url`)
      await writeFileAtomic(files[service], `${postgres.url({ database, user, password })}\n`)
    }
    return files as DatabaseUrlFiles
  } finally {
    await admin.end()
  }
}

async function ensureRole(admin: pg.Client, user: string, password: string): Promise<void> {
  const { rowCount } = await admin.query('select 1 from pg_roles where rolname = $1', [user])
  const verb = rowCount === 0 ? 'create' : 'alter'
  await admin.query(`${verb} role ${pg.escapeIdentifier(user)} login password ${pg.escapeLiteral(password)}`)
}
