import type { Postgres } from '@muster/embedded-stores'
import pg from 'pg'

interface Counters {
  commits: number
  walBytes: number
  walSyncs: number
}

/** Reports the work of Postgres for each of `count` operations while `work` ran: transactions, log written, log synced. */
export async function databaseWork(postgres: Postgres, count: number, work: () => Promise<unknown>): Promise<string> {
  const client = new pg.Client({ connectionString: postgres.url({ database: 'muster' }) })
  await client.connect()
  try {
    const before = await readCounters(client)
    await work()
    const after = await readCounters(client)
    const each = (name: keyof Counters) => ((after[name] - before[name]) / count).toFixed(1)
    return `Postgres, for each: ${each('commits')} commits, ${each('walBytes')} bytes of log, ${each('walSyncs')} syncs of it.`
  } finally {
    await client.end()
  }
}

async function readCounters(client: pg.Client): Promise<Counters> {
  // Backends report what they did within a second of falling idle.
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  await client.query('select pg_stat_clear_snapshot()')
  const { rows } = await client.query<Record<keyof Counters, string>>(`
    select (select xact_commit from pg_stat_database where datname = current_database()) as "commits",
           (select wal_bytes from pg_stat_wal) as "walBytes",
           (select sum(fsyncs) from pg_stat_io where object = 'wal') as "walSyncs"`)
  const { commits, walBytes, walSyncs } = rows[0]!
  return { commits: Number(commits), walBytes: Number(walBytes), walSyncs: Number(walSyncs) }
}
