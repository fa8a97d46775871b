import type { ServiceName } from '@muster/domain'
import type { Clock } from '@muster/runtime'
import type pg from 'pg'

/** What the handlers of the audit share. */
export interface AuditDeps {
  /** The service that owns the audit. */
  name: ServiceName
  pool: pg.Pool
  clock: Clock
}
