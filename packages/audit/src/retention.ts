import { type Db, inBatches } from '@muster/postgres'

/**
 * Deletes events that are older than the retention, in batches of `size`. Stops early when the signal aborts. Safe to run on
 * every replica. @returns how many events were deleted
 */
export function purgeEvents(db: Db, retentionSeconds: number, signal: AbortSignal, size?: number): Promise<number> {
  const text = `
    delete from audit_events
     where ctid = any (array(
       select ctid
         from audit_events
        where at < now() - make_interval(secs => $1)
        order by at, id
        limit $2
          for update skip locked))`
  return inBatches(db, { text, values: [retentionSeconds], ...(size !== undefined && { size }) }, signal)
}
