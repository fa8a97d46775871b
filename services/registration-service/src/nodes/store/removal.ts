import { type Db, inBatches } from '@muster/postgres'
import { IS_BANNED } from '../../bans/stored-ban.ts'
import { NODE_COLUMNS, type StoredNode, toStoredNode } from './stored-node.ts'

/** Removes a node from the roll, with the audit event in the same statement. @returns the node as it was, or undefined */
export async function takeOffRoll(
  db: Db,
  { id, actor, remoteAddress }: { id: string; actor: string; remoteAddress: string },
): Promise<StoredNode | undefined> {
  const { rows } = await db.query(
    `with known as (
       select id, hostname, roles, labels, version, advertised_address, remote_address, os, token_id, joined_at,
              first_seen_at, last_seen_at, certificate_expires_at, banned_at, banned_until, banned_by,
              ban_reason, cloned_at, cloned_from
         from nodes
        where id = $1
          and joined_at is not null
          for update),
     removed as (
       update nodes
          set joined_at = null,
              removed_at = now()
         from known
        where nodes.id = known.id
       returning nodes.id)
     select ${NODE_COLUMNS}
       from known
       join removed using (id)
      cross join lateral record_audit(
              action => 'node.remove', actor => $2, remote_address => $3, token_id => token_id, node_id => id,
              details => jsonb_build_object('hostname', hostname, 'roles', roles))`,
    [id, actor, remoteAddress],
  )
  return rows.map(toStoredNode)[0]
}

/**
 * Deletes joins that started over a day ago and never finished, and nodes that were removed over a day ago. A spend of that
 * age can be repeated, and creates no row (CREATABLE_FOR). The row of a banned node keeps its key out. Works in batches.
 * @returns how many rows were deleted
 */
export function purgeNodes(db: Db, signal: AbortSignal): Promise<number> {
  const text = `
    delete from nodes
     where ctid = any (array(
       select ctid
         from nodes
        where joined_at is null
          and coalesce(removed_at, created_at) < now() - interval '1 day'
          and not ${IS_BANNED}
        order by coalesce(removed_at, created_at)
        limit $1
          for update skip locked))`
  return inBatches(db, { text }, signal)
}
