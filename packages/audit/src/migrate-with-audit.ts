import { fileURLToPath } from 'node:url'
import { migrate, type MigrateOptions } from '@muster/postgres'
import type { Logger } from '@muster/runtime'

const FOLDER = fileURLToPath(new URL('../migrations', import.meta.url))

/**
 * Brings the schema of a service up to date: its own migrations from `folder`, then those of its audit. In this order,
 * since the first migrations of older services created the audit's table themselves.
 */
export async function migrateWithAudit(
  options: Omit<MigrateOptions, 'folder' | 'table'> & { folder?: string | undefined },
  log: Logger,
): Promise<void> {
  const { folder, ...target } = options
  if (folder !== undefined) await migrate({ ...target, folder }, log)
  await migrate({ ...target, folder: FOLDER, table: 'audit_migrations' }, log)
}
