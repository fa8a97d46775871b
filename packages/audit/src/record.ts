import type { Db } from '@muster/postgres'

/** An audit event: who did what. It names tokens by id and members by SPIFFE id; it never holds a secret. */
export interface AuditEvent {
  /** What was done, such as `token.create` or `node.join`. */
  action: string
  /** SPIFFE id of the caller, or `anonymous`. */
  actor: string
  remoteAddress?: string | undefined
  outcome: 'ok' | 'refused'
  /** The stable reason of a refusal. */
  reason?: string | undefined
  tokenId?: string | undefined
  nodeId?: string | undefined
  /** Other facts that help a reader: host name, roles, serial. */
  details?: Record<string, unknown>
}

/** Records an event. Called with the client of a transaction, it commits or rolls back with the change that it records. */
export async function recordAudit(db: Db, event: AuditEvent): Promise<void> {
  await db.query({
    name: 'record-audit',
    text: `
      select record_audit(
        action => $1, actor => $2, remote_address => $3, outcome => $4, reason => $5, token_id => $6, node_id => $7,
        details => $8)`,
    values: [
      event.action,
      event.actor,
      event.remoteAddress ?? null,
      event.outcome,
      event.reason ?? null,
      event.tokenId ?? null,
      event.nodeId ?? null,
      event.details ?? {},
    ],
  })
}
