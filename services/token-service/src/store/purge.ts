import { type Db, inBatches } from '@muster/postgres'
import type { Configured } from './tokens.ts'

/** Longer than the time between two purges of a replica, so that no configured static token is deleted. */
const MIN_STATIC_RETENTION_SECONDS = 86_400
const TOKENS_AT_ONCE = 500

/** Where $1 is Configured, and $2 and $3 are the retentions in seconds. */
const IS_OVER = `
  (least(expires_at, revoked_at) < now() - make_interval(secs => $2)
   or type = 'static'
      and digest <> all ($1::bytea[])
      and configured_at < now() - make_interval(secs => $3))`

/**
 * Deletes tokens that ended longer ago than the retention, with their spends, and static tokens that no replica has had in
 * its configuration for that long. Marks this replica's static tokens as configured. Works in batches, so a token may have any
 * number of spends; stops early when the signal aborts. Safe on all replicas at once. @returns how many tokens were deleted
 */
export async function purgeTokens(
  db: Db,
  configured: Configured,
  retentionSeconds: number,
  signal: AbortSignal,
): Promise<number> {
  await db.query(`update tokens set configured_at = now() where type = 'static' and digest = any ($1::bytea[])`, [
    configured,
  ])
  const over = [configured, retentionSeconds, Math.max(retentionSeconds, MIN_STATIC_RETENTION_SECONDS)]
  let purged = 0
  while (!signal.aborted) {
    const found = await db.query<{ id: string }>(`select id from tokens where ${IS_OVER} limit $4`, [
      ...over,
      TOKENS_AT_ONCE,
    ])
    for (const { id } of found.rows) await forgetSpends(db, id, signal)
    if (signal.aborted) break
    const ids = found.rows.map(({ id }) => id)
    const { rowCount } = await db.query(`delete from tokens where id = any ($4) and ${IS_OVER}`, [...over, ids])
    purged += rowCount ?? 0
    if (found.rows.length < TOKENS_AT_ONCE) break
  }
  return purged
}

/** The token has ended, so nobody adds spends meanwhile. */
function forgetSpends(db: Db, tokenId: string, signal: AbortSignal): Promise<number> {
  // Sorted by the primary key, so that Postgres walks it.
  const text = `
    delete from spends
     where ctid = any (array(
         select ctid
           from spends
          where token_id = $1
          order by token_id, key_fingerprint
          limit $2
            for update skip locked))`
  return inBatches(db, { text, values: [tokenId] }, signal)
}
