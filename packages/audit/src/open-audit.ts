import { type BoundService, type OnRefused, peerName } from '@muster/rpc'
import { type Background, repeatEvery } from '@muster/runtime'
import { Refusals } from './refusals.ts'
import { purgeEvents } from './retention.ts'
import type { AuditDeps } from './deps.ts'
import { auditService } from './service.ts'

const PURGE_EVERY_MS = 60 * 60_000

/** Whose audit it is, and how long events are kept. */
export interface OpenAuditOptions extends Omit<AuditDeps, 'clock'> {
  retentionSeconds: number
  background: Background
}

/** A service's audit. */
export interface Audit {
  /** Serves it to operators. */
  service: BoundService
  refusals: Refusals
  /** Puts calls on record that their callers may not make. */
  onRefused: OnRefused
}

/**
 * Opens a service's audit: what serves it, and where its refusals are counted. Old events are purged now and every hour.
 * Opened after the pool and before the server, so that what is counted is written once no call is served any more.
 */
export function openAudit({ name, pool, retentionSeconds, background }: OpenAuditOptions): Audit {
  const { log, clock, life } = background
  const purge = async (signal: AbortSignal) => {
    const count = await purgeEvents(pool, retentionSeconds, signal)
    log.debug({ event: 'audit.purged', count }, 'purged old audit events')
  }
  repeatEvery({ task: 'audit-purge', everyMs: PURGE_EVERY_MS, work: purge }, background)
  const refusals = life.own('refusals', new Refusals(pool, log, clock), (r) => r.close())
  const onRefused: OnRefused = (rpc, { reason, kind }, { peer, remoteAddress }) =>
    void refusals.record({ action: `call.${rpc}`, actor: peerName(peer), remoteAddress, reason: reason ?? kind })
  return { service: auditService({ name, pool, clock }), refusals, onRefused }
}
