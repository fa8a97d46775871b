import type { Db } from '@muster/postgres'
import type { AuditEvent } from './record.ts'

/** Equal refusals that are, or are to be, one row. */
export interface RefusalRow {
  event: Omit<AuditEvent, 'outcome'>
  count: number
  /** How long ago the first and the last of them were. */
  firstAgoMs: number
  lastAgoMs: number
}

/** Writes a row of refusals. @returns its id */
export async function insertRefusal(db: Db, { event, count, firstAgoMs, lastAgoMs }: RefusalRow): Promise<string> {
  const { rows } = await db.query<{ id: string }>({
    name: 'insert-refusal',
    text: `
      insert into audit_events
        (at, action, actor, remote_address, outcome, reason, token_id, node_id, details, count, last_at)
      values (
        now() - $1 * interval '1 millisecond', $2, $3, $4, 'refused', $5, $6, $7, $8, $9::integer,
        case when $9 > 1 then now() - $10 * interval '1 millisecond' end)
      returning id`,
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

/** A row whose refusals have become more. */
export interface GrownRow {
  id: string
  count: number
  lastAgoMs: number
}

/** Brings rows up to their count, which is the whole count, so it may be repeated. @returns the ids that are there still */
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
