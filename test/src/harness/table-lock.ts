import pg from 'pg'
import type { Cluster } from './cluster.ts'
import { waitFor } from './waiting.ts'

/** A table that others can read and not change: their changes wait, which stops a service at a known point of its work. */
export interface TableLock {
  /** Resolves once a statement that contains this text waits for the table. */
  someoneWaits(statement: string): Promise<void>
  /** Ends the statements that wait, so that they never take effect, then frees the table. */
  cut(): Promise<void>
  /** Frees the table; waiting statements continue. May be called again. */
  release(): Promise<void>
}

/** Locks a table until it is cut or released. Name it `schema.table`. */
export async function lockTable({ postgres, db, life }: Cluster, table: string): Promise<TableLock> {
  const holder = new pg.Client({ connectionString: postgres.url({ database: 'muster' }) })
  await holder.connect()
  await holder.query('begin')
  await holder.query(`lock table ${table} in share row exclusive mode`)
  const waiting = async (statement: string): Promise<boolean> => {
    const { rowCount } = await db.query(
      `select pid
         from pg_locks
         join pg_stat_activity using (pid)
        where relation = $1::regclass and not granted and position($2 in query) > 0`,
      [table, statement],
    )
    return rowCount !== 0
  }
  let released: Promise<void> | undefined
  const lock = {
    someoneWaits: async (statement: string) => {
      await waitFor(`${statement} that waits for ${table}`, () => waiting(statement))
    },
    async cut() {
      await db.query('select pg_terminate_backend(pid) from pg_locks where relation = $1::regclass and not granted', [
        table,
      ])
      await waitFor(`nobody waiting for ${table}`, async () => !(await waiting('')))
      await lock.release()
    },
    release: () => (released ??= holder.end()),
  }
  return life.own(`lock of ${table}`, lock, (l) => l.release())
}
