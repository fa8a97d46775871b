import { spawnSync } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { startChild, stopChild } from '@muster/embedded-stores'
import pg from 'pg'
import { eventually } from '../eventually.ts'
import { portForServer } from './port.ts'

/** Whether PgBouncer is on PATH. */
export const hasPgBouncer: boolean = spawnSync('pgbouncer', ['--version']).status === 0

/** A running PgBouncer in transaction mode. */
export interface PgBouncer {
  port: number
  stop(): Promise<void>
}

/**
 * Starts PgBouncer before a Postgres, with two sessions for each role and database, so that transactions of one connection
 * rarely meet the same session. It takes each role's password from the clients, as they come.
 */
export async function startPgBouncer(postgres: { port: number; url(): string }): Promise<PgBouncer> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'muster-pgbouncer-'))
  await chmod(folder, 0o755)
  const port = await portForServer()
  const { username, password } = new URL(postgres.url())
  await writeFile(path.join(folder, 'users'), `"${username}" "${password}"\n`)
  const settings = {
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: '',
    auth_type: 'scram-sha-256',
    auth_file: path.join(folder, 'users'),
    auth_user: username,
    auth_query: 'select usename, passwd from pg_shadow where usename = $1',
    pool_mode: 'transaction',
    default_pool_size: 2,
    max_client_conn: 500,
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`)
  const file = path.join(folder, 'ini')
  await writeFile(
    file,
    ['[databases]', `* = host=127.0.0.1 port=${postgres.port}`, '[pgbouncer]', ...lines, ''].join('\n'),
  )
  // It refuses to run as root.
  const flags = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
  const child = startChild('pgbouncer', [...flags, file], { parentDeathSignal: 'TERM' })
  const stop = async () => {
    await stopChild(child, [['SIGKILL', 5_000]])
    await rm(folder, { recursive: true })
  }
  try {
    const url = new URL(postgres.url())
    url.port = String(port)
    await eventually('PgBouncer', async () => {
      if (child.hasExited()) throw new Error(child.lastLines())
      return answers(url.href)
    })
    return { port, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function answers(connectionString: string): Promise<boolean> {
  const client = new pg.Client({ connectionString })
  client.on('error', () => {})
  try {
    await client.connect()
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => {})
  }
}
