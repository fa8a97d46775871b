import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { AppError } from '@muster/domain'
import { createDatabase, eventually, type TestDatabase } from '@muster/testkit'
import { createServer, type Server, type Socket } from 'node:net'
import pg from 'pg'
import { openPool } from './pool.ts'
import { asAppError } from './sql-state.ts'
import { silentLog } from '../test/support/database.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createDatabase()
})
afterAll(async () => {
  await database.drop()
})

function pool(databaseUrl: string, size = 2): pg.Pool {
  return openPool({ databaseUrl, schema: 'public', applicationName: 'test', size }, silentLog)
}

async function errorOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  )
}

async function expectUnavailable(work: Promise<unknown>): Promise<void> {
  const cause = await errorOf(work)
  const error = asAppError(cause)
  expect(error).toBeInstanceOf(AppError)
  expect(error).toMatchObject({ kind: 'unavailable', cause })
  // The cause goes into the log; the caller's message names no host, user or password.
  expect((error as AppError).message).toBe('the database is not reachable; try again')
}

async function listen(onConnection: (socket: Socket) => void): Promise<{ server: Server; url: string }> {
  const server = createServer(onConnection)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return { server, url: `postgres://u:p@127.0.0.1:${port}/x` }
}

describe('an unavailable database', () => {
  test('a database that does not listen is unavailable', async () => {
    const { server, url } = await listen(() => {})
    server.close()
    const closed = pool(url)
    await expectUnavailable(closed.query('select 1'))
    await closed.end()
  })

  test('a database that hangs up is unavailable', async () => {
    const { server, url } = await listen((socket) => socket.destroy())
    const hungUp = pool(url)
    await expectUnavailable(hungUp.query('select 1'))
    await hungUp.end()
    server.close()
  })

  test('a database that does not exist is unavailable', async () => {
    const nowhere = pool('postgres://u:p@nowhere.invalid:5432/x')
    await expectUnavailable(nowhere.query('select 1'))
    await nowhere.end()
  })

  test('a database that ends the connection under a statement is unavailable, and the next statement succeeds', async () => {
    const victim = pool(database.url, 1)
    const { rows } = await victim.query<{ pid: number }>('select pg_backend_pid() as pid')
    const cut = errorOf(victim.query('select pg_sleep(20)'))
    const other = pool(database.url, 1)
    await eventually('asleep', async () => {
      const found = await other.query(`select 1 from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'`, [
        rows[0]!.pid,
      ])
      return found.rowCount === 1
    })
    await other.query('select pg_terminate_backend($1)', [rows[0]!.pid])
    await expectUnavailable(cut.then((error) => Promise.reject(error as Error)))
    expect((await victim.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    await victim.end()
    await other.end()
  })

  test('a database that ends an idle connection causes no error', async () => {
    const idle = pool(database.url, 1)
    const { rows } = await idle.query<{ pid: number }>('select pg_backend_pid() as pid')
    const other = pool(database.url, 1)
    await other.query('select pg_terminate_backend($1)', [rows[0]!.pid])
    await eventually('noticed by the pool', () => idle.totalCount === 0)
    expect((await idle.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    await idle.end()
    await other.end()
  })

  test('a database that has no connection left is unavailable', async () => {
    const role = `role_${Math.random().toString(36).slice(2)}`
    const admin = pool(database.url, 1)
    await admin.query(`create role ${role} login password 'p' connection limit 1`)
    const url = new URL(database.url)
    url.username = role
    url.password = 'p'
    const crowded = pool(url.href, 2)
    const first = await crowded.connect()
    await expectUnavailable(crowded.query('select 1'))
    first.release()
    await crowded.end()
    await admin.query(`drop role ${role}`)
    await admin.end()
  })
})

describe('other errors', () => {
  test('any other error of a database is thrown unchanged', async () => {
    const fine = pool(database.url)
    for (const sql of ['select nothing', 'select 1/0', 'selekt']) {
      const error = await errorOf(fine.query(sql))
      expect(error).toBeInstanceOf(pg.DatabaseError)
      expect(asAppError(error)).toBe(error)
    }
    await fine.end()
    const refusal = new AppError('notFound', 'no such token')
    expect(asAppError(refusal)).toBe(refusal)
    expect(asAppError('text')).toBe('text')
    expect(asAppError(undefined)).toBe(undefined)
  })
})

describe('a pool', () => {
  test('a pool sees the tables of its schema and of no other', async () => {
    const all = pool(database.url, 1)
    await all.query('create schema mine; create schema theirs; create table mine.a (); create table theirs.b ()')
    await all.end()
    const mine = openPool({ databaseUrl: database.url, schema: 'mine', applicationName: 'test' }, silentLog)
    await mine.query('select from a')
    await expect(mine.query('select from b')).rejects.toThrow('does not exist')
    await mine.end()
  })
})
