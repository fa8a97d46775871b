import type { ServiceName } from '@muster/domain'
import type { Clock } from '@muster/runtime'
import type pg from 'pg'

/** What the handlers share. */
export interface AuditDeps {
  /** The service whose audit it is. */
  name: ServiceName
  pool: pg.Pool
  clock: Clock
}
