import type { Db } from '@muster/postgres'
import type { AuditEvent } from './record.ts'

/** Equal refusals that share one row. */
export interface RefusalRow {
  event: Omit<AuditEvent, 'outcome'>
  count: number
  /** How long ago the first and the last refusal were. */
  firstAgoMs: number
  lastAgoMs: number
}

/** Writes a row of refusals. @returns its id */
export async function insertRefusal(db: Db, { event, count, firstAgoMs, lastAgoMs }: RefusalRow): Promise<string> {
  const { rows } = await db.query<{ id: string }>({
    name: 'insert-refusal',
    text: `
      select record_audit(
        at => now() - $1 * interval '1 millisecond', action => $2, actor => $3, remote_address => $4,
        outcome => 'refused', reason => $5, token_id => $6, node_id => $7, details => $8, count => $9::integer,
        last_at => case when $9 > 1 then now() - $10 * interval '1 millisecond' end) as id`,
    values: [
      firstAgoMs,
      event.action,
      event.actor,
      event.remoteAddress ?? null,
      event.reason ?? null,
      event.tokenId ?? null,
      event.nodeId ?? null,
      event.details ?? {},
      count,
      lastAgoMs,
    ],
  })
  return rows[0]!.id
}

/** A row whose count has grown. */
export interface GrownRow {
  id: string
  count: number
  lastAgoMs: number
}

/** Sets the counts of rows. Safe to repeat, since each count is the total. @returns the ids of the rows that still exist */
export async function growRefusals(db: Db, grown: readonly GrownRow[]): Promise<Set<string>> {
  const { rows } = await db.query<{ id: string }>(
    `update audit_events
        set count = grown.count,
            last_at = now() - grown.last_ago_ms * interval '1 millisecond',
            tx = pg_current_xact_id()
       from unnest($1::bigint[], $2::integer[], $3::integer[]) as grown (id, count, last_ago_ms)
      where audit_events.id = grown.id
     returning audit_events.id`,
    [grown.map(({ id }) => id), grown.map(({ count }) => count), grown.map(({ lastAgoMs }) => lastAgoMs)],
  )
  return new Set(rows.map(({ id }) => id))
}
