import type { Db } from '@muster/postgres'

const BATCH = 5_000

/**
 * Deletes events that are older than the retention, in batches, so that no statement runs for long or blocks others. It
 * stops early when the signal aborts. Safe to run on every replica. @returns how many events were deleted
 */
export async function purgeEvents(
  db: Db,
  retentionSeconds: number,
  signal: AbortSignal,
  batch: number = BATCH,
): Promise<number> {
  let purged = 0
  while (!signal.aborted) {
    const { rowCount } = await db.query(
      `delete from audit_events
        where id in (
          select id
            from audit_events
           where at < now() - make_interval(secs => $1)
           order by at, id
           limit $2
             for update skip locked)`,
      [retentionSeconds, batch],
    )
    purged += rowCount ?? 0
    if ((rowCount ?? 0) < batch) break
  }
  return purged
}
