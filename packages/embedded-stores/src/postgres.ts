import { realpathSync } from 'node:fs'
import { mkdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { claim, type Claim, commandLine, findProcess, holderOf, inUse } from '@muster/processes'
import pg from 'pg'
import { freePort } from './free-port.ts'
import { adminUser, findPostgresPrograms, postgresAccount, prepareDataDir } from './postgres-files.ts'
import { endLeftover, startChild, stopChild, type StopStep, type ChildProcess } from './child-process.ts'
import { until } from './until.ts'

/** How to start a Postgres. */
export interface PostgresOptions {
  /** Created if missing. `DIR.password` and `DIR.lock` are kept beside it. */
  readonly dataDir: string
  /** Gets each line that Postgres logs. The lines contain no statements and no row values. */
  readonly log?: (line: string) => void
  /** Default true. False trades durability for speed; for tests only. */
  readonly durable?: boolean
  /** Default 100. */
  readonly maxConnections?: number
  /** Default: any free port. If the given port stays taken for the time limit of a start, the start fails. */
  readonly port?: number
}

/** A running embedded Postgres. */
export interface Postgres {
  /** Always loopback. */
  readonly host: string
  /** The TCP port. */
  readonly port: number
  /** The password of the superuser `muster`. The same at every start of a data directory. */
  readonly adminPassword: string
  /** The process id of the server. */
  readonly pid: number
  /** Resolves when Postgres has ended, whether stopped or not. Never rejects. */
  readonly exited: Promise<void>
  /** A connection string with the password in it: never log it. Defaults: database `postgres`, the superuser and its password. */
  url(target?: { database?: string; user?: string; password?: string }): string
  /** Stops Postgres by a fast shutdown, by force after 15 seconds. May be called again. */
  stop(): Promise<void>
  /** Sends a signal; for tests of failures. */
  kill(signal: NodeJS.Signals): void
}

const host = '127.0.0.1'
const startLimitMs = 60_000
// INT = fast shutdown, QUIT = immediate shutdown with recovery at the next start.
const stopSteps: readonly StopStep[] = [
  ['SIGINT', 10_000],
  ['SIGQUIT', 5_000],
  ['SIGKILL', 5_000],
]

/**
 * Starts the Postgres that npm installed, on loopback on a free port, and resolves when it accepts connections.
 * Its data and password survive restarts. Root runs it under an unprivileged account.
 * First ends a server that a killed owner left running on the same data.
 * @throws Error if a live process uses the data
 */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const dataDir = path.resolve(options.dataDir)
  const programs = await findPostgresPrograms()
  await mkdir(path.dirname(dataDir), { recursive: true, mode: 0o700 })
  const held = await claim(claimFile(dataDir), `The Postgres data in ${dataDir}`)
  try {
    await clearFormerServer(dataDir, held)
    const account = await postgresAccount(dataDir)
    const adminPassword = await prepareDataDir(programs, dataDir, account, options.durable ?? true)
    const start = async (port: number) => {
      const args = serverArgs(dataDir, port, options)
      const child = startChild(programs.postgres, args, {
        account,
        parentDeathSignal: 'INT',
        reaches: [programs.postgres, dataDir],
        log: options.log,
      })
      if (child.pid !== undefined) await held.setChild(child.pid)
      return child
    }
    const { child, port } = await startOnPort(options.port, dataDir, adminPassword, start)
    return runningPostgres(child, port, adminPassword, held)
  } catch (error) {
    await held.release()
    throw error
  }
}

function serverArgs(
  dataDir: string,
  port: number,
  { durable = true, maxConnections = 100 }: PostgresOptions,
): string[] {
  const settings: Record<string, string | number> = {
    listen_addresses: host,
    port,
    unix_socket_directories: '',
    max_connections: maxConnections,
    timezone: 'UTC',
    log_timezone: 'UTC',
    // A failed statement or its row may contain a secret: log only the first line of the error.
    log_min_error_statement: 'panic',
    log_error_verbosity: 'terse',
    jit: 'off',
    // Saves three processes; the data of a local cluster fits in memory.
    io_method: 'sync',
    ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  }
  return ['-D', dataDir, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])]
}

async function startOnPort(
  wantedPort: number | undefined,
  dataDir: string,
  password: string,
  start: (port: number) => Promise<ChildProcess>,
): Promise<{ child: ChildProcess; port: number }> {
  const giveUpAt = performance.now() + startLimitMs
  for (;;) {
    const port = wantedPort ?? (await freePort())
    const child = await start(port)
    try {
      const ready = await until(async () => child.hasExited() || (await accepts(port, password)), {
        limitMs: startLimitMs,
      })
      if (ready && !child.hasExited()) return { child, port }
    } catch (error) {
      await stopChild(child, stopSteps)
      throw error
    }
    await stopChild(child, stopSteps)
    // Another process took the port, or the backends of a killed server have not ended yet.
    const transient = /could not bind|pre-existing shared memory block/.test(child.lastLines())
    if (transient && performance.now() < giveUpAt) continue
    throw new Error(
      `Postgres did not start on ${dataDir}. If its output below does not say how to fix that, ` +
        `move ${dataDir} away to start with a new database.\nThe last lines of its output:\n${child.lastLines()}`,
    )
  }
}

/** Whether Postgres accepts connections. @throws Error if it rejects the password */
async function accepts(port: number, password: string): Promise<boolean> {
  const client = new pg.Client({
    host,
    port,
    user: adminUser,
    password,
    database: 'postgres',
    connectionTimeoutMillis: 5_000,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    return true
  } catch (error) {
    // 28P01 is invalid_password: waiting longer does not help.
    if ((error as { code?: string }).code !== '28P01') return false
    throw new Error(
      'The password file beside the data directory does not belong to this Postgres data. Put the right one back.',
      { cause: error },
    )
  } finally {
    await client.end().catch(() => {})
  }
}

function runningPostgres(child: ChildProcess, port: number, adminPassword: string, held: Claim): Postgres {
  const exited = child.exited.then(() => held.release()).catch(() => {})
  let stopping: Promise<void> | undefined
  return {
    host,
    port,
    adminPassword,
    pid: child.pid!,
    exited,
    url: ({ database = 'postgres', user = adminUser, password = user === adminUser ? adminPassword : '' } = {}) => {
      const credentials = [user, password].filter(Boolean).map(encodeURIComponent).join(':')
      return `postgres://${credentials}@${host}:${port}/${encodeURIComponent(database)}`
    },
    stop: () => (stopping ??= stopChild(child, stopSteps).then(() => exited)),
    kill: child.kill,
  }
}

/** The process that holds that data directory now, or undefined. */
export function ownerOf(dataDir: string): Promise<number | undefined> {
  return holderOf(claimFile(dataDir))
}

function claimFile(dataDir: string): string {
  return `${dataDir}.lock`
}

/** Ends a server that a killed owner left running, and removes a postmaster.pid that names an unrelated process. */
async function clearFormerServer(dataDir: string, held: Claim): Promise<void> {
  if (held.leftover !== undefined) await endLeftover(held.leftover, stopSteps)
  const pidFile = path.join(dataDir, 'postmaster.pid')
  const pid = Number.parseInt(await readFile(pidFile, 'utf8').catch(() => ''), 10)
  if (!(pid > 0)) return
  const server = findProcess(pid)
  if (server === undefined || !servesFrom(pid, dataDir)) {
    // Postgres only checks that some process has that id, and in a small container an unrelated one often has.
    await rm(pidFile, { force: true })
    return
  }
  // The former owner recorded its child, so this server was started by someone else: leave it running.
  if (!held.leftoverUnknown) throw inUse(`The Postgres data in ${dataDir}`, pid)
  await endLeftover(server, stopSteps)
}

function servesFrom(pid: number, dataDir: string): boolean {
  const args = commandLine(pid)
  const dir = args[args.indexOf('-D') + 1]
  if (dir === undefined || !args.some((arg) => path.basename(arg) === 'postgres')) return false
  try {
    return realpathSync(dir) === realpathSync(dataDir)
  } catch {
    return false
  }
}
