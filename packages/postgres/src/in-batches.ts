import type { Db } from './pool.ts'

const BATCH = 5_000

/**
 * A statement that deletes or changes at most as many rows as its last parameter says. It should find and lock them in a
 * subquery and name them by `ctid = any (array(...))`: by a key, Postgres may read the whole table to match them.
 */
export interface Batch {
  text: string
  /** All parameters but the last. */
  values?: readonly unknown[]
  /** How many rows one statement takes; 5,000 by default. */
  size?: number
}

/**
 * Repeats a statement until it finds fewer rows than a batch, so that no statement runs for long or blocks others however
 * many rows there are. Stops early when the signal aborts. Replicas may run it at once if the statement skips locked rows.
 * @returns how many rows it took
 */
export async function inBatches(
  db: Db,
  { text, values = [], size = BATCH }: Batch,
  signal: AbortSignal,
): Promise<number> {
  let taken = 0
  while (!signal.aborted) {
    const { rowCount } = await db.query(text, [...values, size])
    taken += rowCount ?? 0
    if ((rowCount ?? 0) < size) break
  }
  return taken
}
