import type { Db } from '@muster/postgres'
import type { AuditEvent } from './record.ts'
import type { Filter } from './event-filter.ts'

/** An event as stored. */
export interface StoredEvent extends Required<Pick<AuditEvent, 'action' | 'actor' | 'outcome' | 'details'>> {
  id: string
  at: Date
  remoteAddress: string | null
  reason: string | null
  tokenId: string | null
  nodeId: string | null
  count: number
  /** The time of the last refusal, if the row stands for several. */
  lastAt: Date | null
}

const COLUMNS = `
  id, at, action, actor, remote_address as "remoteAddress", outcome, reason, token_id as "tokenId",
  node_id as "nodeId", details, count, last_at as "lastAt"`

// A page ends at a microsecond; a Date has milliseconds only.
const EXACT_TIME = `to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`

// The filter is the first six parameters. Postgres plans the statement each time, and drops the conditions that are null.
const MATCHES = `
  ($1::timestamptz is null or coalesce(last_at, at) >= $1)
  -- For the index: a row that began earlier may have counted for up to a minute.
  and ($1::timestamptz is null or at >= $1 - interval '1 minute')
  and ($2::text is null or $2 in (action, split_part(action, '.', 1)))
  and ($3::text is null or $3 in (actor, split_part(actor, '/', -1)))
  and ($4::text is null or token_id = $4)
  and ($5::uuid is null or node_id = $5)
  and ($6::text is null or outcome = $6)`

function valuesOf({ since, action, actor, tokenId, nodeId, outcome }: Filter): unknown[] {
  return [since, action, actor, tokenId, nodeId, outcome].map((value) => value ?? null)
}

/** Where a page ended. */
export interface ListedTo {
  /** ISO 8601 with microseconds. */
  at: string
  id: string
}

/** Which events to list. */
export interface Listing {
  filter: Filter
  size: number
  /** Where the last page ended. */
  before: ListedTo | undefined
}

/** How many events a page looks at, when only few of them may match and no index finds those. */
const MOST_LOOKED_AT = 100_000

/**
 * A page of events, newest first, and where the next one starts; that is undefined after the last page. A page looks at a
 * bounded number of events, so a page that is not the last may have few events or none.
 */
export async function selectEvents(
  db: Db,
  listing: Listing,
  mostLookedAt = MOST_LOOKED_AT,
): Promise<{ events: StoredEvent[]; next: ListedTo | undefined }> {
  const { filter, size, before } = listing
  const isSparse =
    (filter.action ?? filter.actor ?? filter.outcome) !== undefined && (filter.tokenId ?? filter.nodeId) === undefined
  const end = isSparse ? await endOfSlice(db, listing, mostLookedAt) : undefined
  const { rows } = await db.query<StoredEvent & { exactAt: string }>(
    `select ${COLUMNS}, ${EXACT_TIME} as "exactAt"
       from audit_events
      where ${MATCHES}
        and ($7::timestamptz is null or (at, id) < ($7, $8::bigint))
        and ($9::timestamptz is null or (at, id) >= ($9, $10::bigint))
      order by at desc, id desc
      limit $11`,
    [...valuesOf(filter), ...placeOf(before), ...placeOf(end), size + 1],
  )
  const events = rows.slice(0, size)
  const last = events.at(-1)
  if (rows.length > size && last !== undefined) return { events, next: { at: last.exactAt, id: last.id } }
  return { events, next: end }
}

/** The last event that a page of this listing may look at; undefined if it may look at all that are left. */
async function endOfSlice(db: Db, { filter, before }: Listing, mostLookedAt: number): Promise<ListedTo | undefined> {
  const { rows } = await db.query<{ exactAt: string; id: string }>(
    `select ${EXACT_TIME} as "exactAt", id
       from audit_events
      where ($1::timestamptz is null or at >= $1 - interval '1 minute')
        and ($2::timestamptz is null or (at, id) < ($2, $3::bigint))
      order by at desc, id desc
      limit 1
     offset $4`,
    [filter.since ?? null, ...placeOf(before), mostLookedAt - 1],
  )
  return rows[0] && { at: rows[0].exactAt, id: rows[0].id }
}

function placeOf(place: ListedTo | undefined): [at: string | null, id: string | null] {
  return [place?.at ?? null, place?.id ?? null]
}

/** A moment in the order of commits: what the database had committed by then. */
export interface Position {
  /** A pg_snapshot, as text. */
  snapshot: string
  /** Seconds since the epoch, by the database. */
  at: string
}

/**
 * The current position of the audit. `known` is false if `given` is from another database: one that was restored from a
 * copy counts its transactions again.
 */
export async function currentPosition(db: Db, given?: Position): Promise<Position & { known: boolean }> {
  const { rows } = await db.query<Position & { known: boolean }>({
    name: 'current-audit-position',
    text: `
      select pg_current_snapshot()::text as snapshot,
             extract(epoch from now())::bigint::text as at,
             coalesce(pg_snapshot_xmax($1::pg_snapshot) <= pg_snapshot_xmax(pg_current_snapshot()), true) as known`,
    values: [given?.snapshot ?? null],
  })
  return rows[0]!
}

/** Where a page of a watch ended. */
export interface WatchedTo {
  tx: string
  id: string
}

/** Where a watch starts: before the first transaction that the snapshot does not show. */
export function startOfWatch({ snapshot }: Position): WatchedTo {
  const [xmin] = snapshot.split(':') as [string]
  return { tx: xmin, id: '0' }
}

/**
 * A page of what was committed after `from` and not after `until`, in the order of the transactions. It compares
 * snapshots, not ids: a transaction may get its id first and commit last. `after` alone says where the index is entered, so
 * a first page starts at `startOfWatch`.
 */
export async function selectCommitted(
  db: Db,
  range: { filter: Filter; from: Position; until: Position; after: WatchedTo; size: number },
): Promise<(StoredEvent & WatchedTo)[]> {
  const { filter, from, until, after, size } = range
  const { rows } = await db.query<StoredEvent & WatchedTo>(
    `select ${COLUMNS}, tx::text as tx
       from audit_events
      where ${MATCHES}
        and not pg_visible_in_snapshot(tx, $7::pg_snapshot)
        and pg_visible_in_snapshot(tx, $8::pg_snapshot)
        and (tx, id) > ($9::xid8, $10::bigint)
        -- Rows restored from a copy carry transactions that this database has not reached. No transaction of Muster runs for
        -- an hour.
        and coalesce(last_at, at) > to_timestamp($11::bigint) - interval '1 hour'
      order by audit_events.tx, id
      limit $12`,
    [...valuesOf(filter), from.snapshot, until.snapshot, after.tx, after.id, from.at, size],
  )
  return rows
}
