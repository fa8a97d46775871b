import type { Db } from '@muster/postgres'
import type { Configured } from './tokens.ts'

/** Longer than the time between two purges of a replica, so that no configured static token is deleted. */
const MIN_STATIC_RETENTION_SECONDS = 86_400

/**
 * Deletes tokens that ended longer ago than the retention, with their spends, and static tokens that no replica has had in
 * its configuration for that long. Marks this replica's static tokens as configured. @returns how many were deleted
 */
export async function purgeTokens(db: Db, configured: Configured, retentionSeconds: number): Promise<number> {
  const { rowCount } = await db.query(
    `with kept as (
       update tokens
          set configured_at = now()
        where type = 'static'
          and digest = any ($1::bytea[])),
     purged as (
       delete from tokens
        where least(expires_at, revoked_at) < now() - make_interval(secs => $2)
           or type = 'static'
              and digest <> all ($1::bytea[])
              and configured_at < now() - make_interval(secs => $3)
       returning id),
     forgotten as (
       delete from spends using purged where spends.token_id = purged.id)
     select id from purged`,
    [configured, retentionSeconds, Math.max(retentionSeconds, MIN_STATIC_RETENTION_SECONDS)],
  )
  return rowCount ?? 0
}
