import type pg from 'pg'
import { localWork } from '@muster/runtime'
import type { Db } from './pool.ts'
import { isOfNoUse, isRetryable } from './sql-state.ts'

const MAX_TRIES = 5

/**
 * Runs `work` in one transaction: all of it or none. Serialization failures and deadlocks are retried, up to five times
 * with jitter, so `work` must have no effect outside the database. A call to another service inside of `work` throws: it
 * would be repeated, and while it hangs it would hold a connection and its locks.
 */
export async function transaction<T>(pool: pg.Pool, work: (db: Db) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await localWork('a transaction', () => once(pool, work))
    } catch (error) {
      if (attempt === MAX_TRIES || !isRetryable(error)) throw error
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 20 * 2 ** attempt))
    }
  }
}

async function once<T>(pool: pg.Pool, work: (db: Db) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let broken: Error | undefined
  // The pool listens to idle connections only; an error event without a listener would end the process. The statement that
  // is running fails by itself, or the next one does.
  const onError = (error: Error) => {
    broken = error
  }
  client.on('error', onError)
  try {
    await client.query('begin')
    const result = await work(client)
    await client.query('commit')
    return result
  } catch (error) {
    // A server without an answer has none to a rollback either, and a standby is not wanted: the end of the connection suffices.
    if (isOfNoUse(error)) broken = error as Error
    else
      await client.query('rollback').catch((rollbackError: Error) => {
        broken = rollbackError
      })
    throw error
  } finally {
    client.off('error', onError)
    client.release(broken)
  }
}
