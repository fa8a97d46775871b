import { appendFile, cp, mkdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type Postgres, startPostgres } from '@muster/embedded-stores'
import pg from 'pg'
import { eventually } from '../eventually.ts'

/** A standby, without which its primary commits nothing. */
export interface Standby extends Postgres {
  /** Makes it the primary, once the former one is gone. */
  promote(): Promise<void>
}

/** Copies a running Postgres and has it follow as the synchronous standby, on a port that is free. */
export async function startStandby(
  primary: Postgres,
  { from, to, port }: { from: string; to: string; port: number },
): Promise<Standby> {
  const admin = new pg.Client({ connectionString: primary.url() })
  await admin.connect()
  try {
    await admin.query(`select pg_backup_start('standby', fast => true)`)
    // Caches and temporary files may go while they are copied, and a standby makes its own.
    const isWanted = (file: string) => !/postmaster\.(?:pid|opts)$|pg_internal\.init|pgsql_tmp|\.tmp$/.test(file)
    await mkdir(to, { mode: 0o700 })
    await cp(from, to, { recursive: true, filter: isWanted })
    await cp(`${from}.password`, `${to}.password`)
    const { rows } = await admin.query<{ labelfile: string }>(
      'select labelfile from pg_backup_stop(wait_for_archive => false)',
    )
    await writeFile(path.join(to, 'backup_label'), rows[0]!.labelfile)
    await rm(path.join(to, 'pg_wal'), { recursive: true })
    await cp(path.join(from, 'pg_wal'), path.join(to, 'pg_wal'), { recursive: true })
    await writeFile(path.join(to, 'standby.signal'), '')
    const source = `host=127.0.0.1 port=${primary.port} user=muster password=${primary.adminPassword} application_name=standby`
    await appendFile(path.join(to, 'postgresql.auto.conf'), `primary_conninfo = '${source}'\n`)
    const standby = await startPostgres({ dataDir: to, port })
    await admin.query(`alter system set synchronous_standby_names = 'standby'`)
    await admin.query('select pg_reload_conf()')
    await eventually('in step', async () => {
      const { rowCount } = await admin.query(`select 1 from pg_stat_replication where sync_state = 'sync'`)
      return rowCount === 1
    })
    return { ...standby, promote: () => promote(standby) }
  } finally {
    await admin.end()
  }
}

async function promote(standby: Postgres): Promise<void> {
  const admin = new pg.Client({ connectionString: standby.url() })
  await admin.connect()
  try {
    await admin.query('select pg_promote()')
  } finally {
    await admin.end()
  }
}
