import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { findProcess, isRunning } from '@muster/processes'
import pg from 'pg'
import { startPostgres, type Postgres } from './postgres.ts'
import { until } from './until.ts'

let folder: string
let dataDir: string
const running: Postgres[] = []

// mkdtemp makes a folder that only its owner may enter: as root, the account of Postgres has to get through it.
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'muster-postgres-'))
  dataDir = path.join(folder, 'pg')
})
afterEach(async () => {
  for (const postgres of running.splice(0)) await postgres.stop()
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

async function start(dir = dataDir, durable = false): Promise<Postgres> {
  const postgres = await startPostgres({ dataDir: dir, durable })
  running.push(postgres)
  return postgres
}

async function query(url: string, text: string): Promise<unknown[][]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query({ text, rowMode: 'array' })).rows
  } finally {
    await client.end()
  }
}

describe('startPostgres', () => {
  test('startPostgres keeps data and password over a restart, in files that only their owner can read', async () => {
    const first = await start()
    await query(first.url(), 'create table kept as select 7 as n')
    await first.stop()
    await first.exited
    expect(findProcess(first.pid)).toBeUndefined()

    const second = await start()
    expect(await query(second.url(), 'select n from kept')).toEqual([[7]])
    expect(second.adminPassword).toBe(first.adminPassword)
    expect((await stat(`${dataDir}.password`)).mode & 0o777).toBe(0o600)
    expect((await stat(dataDir)).mode & 0o777).toBe(0o700)
  })

  test('startPostgres starts on the port that the caller chose', async () => {
    const first = await start()
    await first.stop()
    const second = await startPostgres({ dataDir, durable: false, port: first.port })
    running.push(second)
    expect(second.url()).toBe(first.url())
    expect(await query(first.url(), 'select 1')).toEqual([[1]])
  })

  test('startPostgres rejects a wrong password, and listens on loopback only', async () => {
    const postgres = await start()
    await expect(query(postgres.url({ password: 'wrong' }), 'select 1')).rejects.toMatchObject({ code: '28P01' })
    expect(await query(postgres.url(), 'show listen_addresses')).toEqual([['127.0.0.1']])
    expect(await query(postgres.url(), 'show unix_socket_directories')).toEqual([['']])
  })

  test('startPostgres never logs the text of a failed statement or the values of its row', async () => {
    const lines: string[] = []
    const postgres = await startPostgres({ dataDir, durable: false, log: (line) => lines.push(line) })
    running.push(postgres)
    await query(postgres.url(), 'create table unique_values (v text primary key)')
    const insert = "insert into unique_values values ('canary-1')"
    await query(postgres.url(), insert)
    await expect(query(postgres.url(), insert)).rejects.toMatchObject({ code: '23505' })
    await postgres.stop()
    expect(lines.join('\n')).toContain('duplicate key')
    expect(lines.join('\n')).not.toContain('canary-1')
  })

  test('startPostgres refuses a data directory that a live process uses', async () => {
    const postgres = await start()
    await expect(startPostgres({ dataDir })).rejects.toThrow(`is in use by process ${process.pid}`)
    // A server that another program started has no claim beside it.
    await rm(`${dataDir}.lock`)
    await expect(startPostgres({ dataDir })).rejects.toThrow(`is in use by process ${postgres.pid}`)
    expect(await query(postgres.url(), 'select 1')).toEqual([[1]])
  })

  test('startPostgres starts despite a postmaster.pid that names an unrelated live process', async () => {
    await (await start()).stop()
    await writeFile(path.join(dataDir, 'postmaster.pid'), `${process.pid}\n${dataDir}\n1\n1\n`)
    const postgres = await start()
    expect(await query(postgres.url(), 'select 1')).toEqual([[1]])
  })

  test('startPostgres recovers all committed rows after SIGKILL', async () => {
    const killed = await start(dataDir, true)
    await query(killed.url(), 'create table recovered as select 8 as n')
    killed.kill('SIGKILL')
    await killed.exited
    const postgres = await start()
    expect(await query(postgres.url(), 'select n from recovered')).toEqual([[8]])
  })

  test('startPostgres ends the server that a killed owner left running', async () => {
    const { owner, pid } = await startInOtherProcess()
    // Frozen, it cannot follow its parent on its own.
    process.kill(pid, 'SIGSTOP')
    owner.kill('SIGKILL')
    await new Promise((resolve) => owner.once('close', resolve))
    const leftover = findProcess(pid)!
    const starting = start()
    await until(async () => (await lockOwner()) === process.pid, { limitMs: 5_000 })
    expect(isRunning(leftover)).toBe(true)
    process.kill(pid, 'SIGCONT')
    const postgres = await starting
    expect(isRunning(leftover)).toBe(false)
    expect(await query(postgres.url(), 'select 1')).toEqual([[1]])
  })

  test('startPostgres leaves a folder with other content untouched', async () => {
    const dir = path.join(folder, 'photos')
    await mkdir(dir)
    await writeFile(path.join(dir, 'cat.jpg'), '')
    await expect(startPostgres({ dataDir: dir })).rejects.toThrow('contains no Postgres data')
  })

  test('startPostgres says what to do if the password file is missing', async () => {
    const dir = path.join(folder, 'lost')
    await (await start(dir)).stop()
    await rm(`${dir}.password`)
    await expect(startPostgres({ dataDir: dir })).rejects.toThrow(/Put that file back.*start with a new database/)
  })

  test("startPostgres shows the last lines of Postgres' output if it cannot start", async () => {
    const dir = path.join(folder, 'broken')
    await (await start(dir)).stop()
    await rm(path.join(dir, 'global', 'pg_control'))
    await expect(startPostgres({ dataDir: dir })).rejects.toThrow(
      /start with a new database[^]*could not[^]*pg_control/,
    )
  })
})

async function startInOtherProcess() {
  const script = `const { startPostgres } = await import(process.argv[1])
    console.log((await startPostgres({ dataDir: process.argv[2], durable: false })).pid)`
  const module = new URL('../dist/index.js', import.meta.url).href
  const owner = spawn(process.execPath, ['--input-type=module', '-e', script, module, dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await owner.stdout.setEncoding('utf8').take(1).toArray()) as string[]
  return { owner, pid: Number(line) }
}

async function lockOwner(): Promise<number | undefined> {
  const text = await readFile(`${dataDir}.lock`, 'utf8').catch(() => '{}')
  return (JSON.parse(text) as { owner?: { pid: number } }).owner?.pid
}
