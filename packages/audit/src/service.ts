import { audit } from '@muster/contracts'
import { bindService, operators, type BoundService } from '@muster/rpc'
import type { Clock } from '@muster/runtime'
import type { ServiceName } from '@muster/domain'
import type pg from 'pg'
import { listEvents } from './list-events.ts'
import { watchEvents } from './watch-events.ts'

/** What the handlers share. */
export interface AuditDeps {
  /** The service whose audit it is. */
  name: ServiceName
  pool: pg.Pool
  clock: Clock
}

/** The RPCs by which operators read a service's audit: who may call them, and what serves them. */
export function auditService(deps: AuditDeps): BoundService {
  return bindService(audit.AuditServiceService, {
    listEvents: { callers: operators('viewer'), handle: listEvents(deps) },
    watchEvents: { callers: operators('viewer'), handle: watchEvents(deps) },
  })
}
