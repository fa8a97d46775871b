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
  /** The RPCs by which operators read it. */
  service: BoundService
  refusals: Refusals
  /** Records calls that their callers may not make. */
  onRefused: OnRefused
}

/**
 * Opens a service's audit: its RPCs, the counting of refusals, and a purge of old events now and every hour. Open it after
 * the pool and before the server, so that it writes the last counts after the server has stopped.
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
