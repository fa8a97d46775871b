import { audit } from '@muster/contracts'
import { bindService, type BoundService, operators } from '@muster/rpc'
import type { AuditDeps } from './deps.ts'
import { listEvents } from './list-events.ts'
import { watchEvents } from './watch-events.ts'

/** The RPCs by which operators read a service's audit: who may call them, and which handlers serve them. */
export function auditService(deps: AuditDeps): BoundService {
  return bindService(audit.AuditServiceService, {
    listEvents: { callers: operators('viewer'), handle: listEvents(deps) },
    watchEvents: { callers: operators('viewer'), handle: watchEvents(deps) },
  })
}
