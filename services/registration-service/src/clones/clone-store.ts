import { type Db, inBatches } from '@muster/postgres'
import type { ClonePolicy } from './clone-policy.ts'

/** A sign of a clone. */
export interface CloneFound {
  id: string
  /** SPIFFE id of the node. */
  actor: string
  /** The caller whose request or beat showed it. */
  remoteAddress: string
  /** All addresses concerned. */
  remoteAddresses: readonly string[]
  /** What showed it, for the audit. */
  details: Record<string, unknown>
}

/**
 * Marks a node as cloned, with the audit event in the same statement. The first sign stays.
 * @returns false if it is marked already, or not on the roll
 */
export async function markCloned(db: Db, found: CloneFound, policy: ClonePolicy): Promise<boolean> {
  const { rowCount } = await db.query(
    `with marked as (
       update nodes
          set cloned_at = date_trunc('milliseconds', now()),
              cloned_from = $2
        where id = $1
          and joined_at is not null
          and cloned_at is null
       returning id, token_id, hostname)
     select record_audit(
              action => 'node.clone', actor => $3, remote_address => $4, outcome => $5, reason => $6,
              token_id => token_id, node_id => id,
              details => jsonb_build_object('hostname', hostname, 'from', $2::text[]) || $7::jsonb)
       from marked`,
    [
      found.id,
      found.remoteAddresses,
      found.actor,
      found.remoteAddress,
      policy === 'deny' ? 'refused' : 'ok',
      policy === 'deny' ? 'NODE_CLONED' : null,
      found.details,
    ],
  )
  return rowCount === 1
}

/** Forgets that a node was cloned, with the audit event in the same statement. @returns false if it is not marked */
export async function clearClone(
  db: Db,
  { id, actor, remoteAddress }: { id: string; actor: string; remoteAddress: string },
): Promise<boolean> {
  const { rowCount } = await db.query(
    `with cleared as (
       update nodes
          set cloned_at = null,
              cloned_from = null
        where id = $1
          and joined_at is not null
          and cloned_at is not null
       returning id, token_id, hostname)
     select record_audit(
              action => 'node.clear-clone', actor => $2, remote_address => $3, token_id => token_id, node_id => id,
              details => jsonb_build_object('hostname', hostname))
       from cleared`,
    [id, actor, remoteAddress],
  )
  return rowCount === 1
}

/** Deletes the serials of certificates that ended so long ago that nobody can use them. Works in batches. @returns how many */
export function purgeSerials(db: Db, keptSeconds: number, signal: AbortSignal): Promise<number> {
  const text = `
    delete from node_serials
     where ctid = any (array(
       select ctid
         from node_serials
        where expires_at < now() - $1::bigint * interval '1 second'
        order by expires_at
        limit $2
          for update skip locked))`
  return inBatches(db, { text, values: [keptSeconds] }, signal)
}
