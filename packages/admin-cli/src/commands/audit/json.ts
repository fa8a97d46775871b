import { audit } from '@muster/contracts'

/** An event as JSON and YAML show it. Documented in docs/cli-output.md. */
export function auditJson(event: audit.AuditEvent) {
  return {
    service: event.service,
    id: event.id,
    at: event.at ?? null,
    action: event.action,
    actor: event.actor,
    remote_address: event.remoteAddress === '' ? null : event.remoteAddress,
    outcome: outcomeOf(event),
    reason: event.reason === '' ? null : event.reason,
    token_id: event.tokenId === '' ? null : event.tokenId,
    node_id: event.nodeId === '' ? null : event.nodeId,
    details: detailsOf(event),
    count: event.count,
    last_at: event.lastAt ?? null,
  }
}

/** The outcome as a word. An outcome that this version does not know is `unknown`. */
export function outcomeOf({ outcome }: audit.AuditEvent): 'ok' | 'refused' | 'unknown' {
  if (outcome === audit.Outcome.OK) return 'ok'
  return outcome === audit.Outcome.REFUSED ? 'refused' : 'unknown'
}

/** The details of an event. */
export function detailsOf({ detailsJson }: audit.AuditEvent): Record<string, unknown> {
  try {
    const details: unknown = JSON.parse(detailsJson)
    return typeof details === 'object' && details !== null ? (details as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
