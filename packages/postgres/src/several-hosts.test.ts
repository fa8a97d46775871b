import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { createDatabase, type TestDatabase } from '@muster/testkit'
import pg from 'pg'
import { silentLog } from '../test/support/database.ts'
import { checkPooledSession, openPool, type PoolOptions } from './pool.ts'
import { asAppError } from './sql-state.ts'
import { transaction } from './transaction.ts'

let database: TestDatabase
let pools: pg.Pool[]
beforeEach(async () => {
  database = await createDatabase()
  pools = []
})
afterEach(async () => {
  await Promise.all(pools.map((pool) => pool.end()))
  await database.drop()
})

function open(databaseUrl: string, options: Partial<PoolOptions> = {}): pg.Pool {
  const pool = openPool({ databaseUrl, schema: 'public', applicationName: 'test', size: 1, ...options }, silentLog)
  pools.push(pool)
  return pool
}

function withHosts(...others: string[]): string {
  return database.url.replace(/@([^/]+)/, (_, host: string) => `@${[...others, host].join(',')}`)
}

async function one(pool: pg.Pool): Promise<unknown> {
  return (await pool.query<{ one: number }>('select 1 as one')).rows[0]!.one
}

async function makeReadOnly(isReadOnly: boolean): Promise<void> {
  const name = pg.escapeIdentifier(new URL(database.url).pathname.slice(1))
  const admin = open(database.url, { size: 1 })
  await admin.query('set default_transaction_read_only = off')
  await admin.query(`alter database ${name} set default_transaction_read_only = ${isReadOnly ? 'on' : 'off'}`)
}

test('the host that takes writes is found behind hosts that are down, hang up, or say nothing', async () => {
  const servers: Server[] = []
  const listen = async (hangsUp: boolean) => {
    const server = createServer((socket) => (hangsUp ? socket.destroy() : socket.unref()))
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return `127.0.0.1:${(server.address() as { port: number }).port}`
  }
  const url = withHosts('127.0.0.1:1', await listen(true), await listen(false))
  expect(await one(open(url))).toBe(1)
  for (const server of servers) server.close()
})

test('another host is used once the one that took writes is lost', async () => {
  const { hostname, port } = new URL(database.url)
  const ways = await Promise.all(
    [0, 1].map(async () => {
      const sockets = new Set<Socket>()
      const server = createServer((socket) => {
        const onward = connect({ host: hostname, port: Number(port) })
        for (const end of [socket, onward]) sockets.add(end.on('error', () => {}))
        socket.pipe(onward).pipe(socket)
        socket.on('close', () => onward.destroy())
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const cut = () => {
        server.close()
        for (const socket of sockets) socket.destroy()
      }
      return { host: `127.0.0.1:${(server.address() as { port: number }).port}`, cut }
    }),
  )
  const pool = open(database.url.replace(/@[^/]+/, `@${ways.map(({ host }) => host).join(',')}`))
  const client = await pool.connect()
  const used = ways.findIndex(({ host }) => host === `${client.host}:${client.port}`)
  client.on('error', () => {})
  ways[used]!.cut()
  client.release(true)
  // The first attempt may still go to the lost one.
  await pool.query('select 1').catch(() => {})
  expect(await one(pool)).toBe(1)
  await pool.end()
  pools.splice(pools.indexOf(pool), 1)
  ways[1 - used]!.cut()
})

test('hosts of which none takes writes are unavailable, until one does', async () => {
  await makeReadOnly(true)
  const pool = open(withHosts('127.0.0.1:1'))
  const error = await pool.query('select 1').catch((cause: unknown) => asAppError(cause))
  expect(error).toMatchObject({ kind: 'unavailable', message: 'the database is not reachable; try again' })
  await makeReadOnly(false)
  expect(await one(pool)).toBe(1)
})

test('a host that took writes and takes none any more is not used for new connections', async () => {
  const pool = open(withHosts('127.0.0.1:1'))
  const { rows } = await pool.query<{ pid: number }>('select pg_backend_pid() as pid')
  await makeReadOnly(true)
  await open(database.url).query('select pg_terminate_backend($1)', [rows[0]!.pid])
  for (let i = 0; i < 2; i++) {
    const error = await pool.query('select 1').catch((cause: unknown) => asAppError(cause))
    expect(error).toMatchObject({ kind: 'unavailable' })
  }
})

test('a transaction on a server that takes no writes any more gives its connection up', async () => {
  const pool = open(database.url)
  const work = transaction(pool, async (db) => {
    await db.query('set transaction read only')
    await db.query('create table things ()')
  })
  expect(await work.catch((error: unknown) => asAppError(error))).toMatchObject({ kind: 'unavailable' })
  expect(pool.totalCount).toBe(0)
})

test('a transaction on a server that gives no answer ends when the statement should have ended', async () => {
  const pool = open(database.url)
  Object.assign(pool.options, { query_timeout: 300 })
  const work = transaction(pool, (db) => db.query('select pg_sleep(60)'))
  expect(await work.catch((error: unknown) => asAppError(error))).toMatchObject({ kind: 'unavailable' })
  expect(pool.totalCount).toBe(0)
})

test.each([
  [true, 1],
  [false, 0],
])('with named statements %s, a session of Postgres keeps %d of them', async (namedStatements, kept) => {
  const pool = open(database.url, { namedStatements })
  const statement = { name: 'one', text: 'select $1::integer as one', values: [1] }
  for (let i = 0; i < 2; i++) expect((await pool.query(statement)).rows).toEqual([{ one: 1 }])
  const { rows } = await pool.query('select name from pg_prepared_statements')
  expect(rows).toHaveLength(kept)
})

test('behind a pooler, a role that sees another schema is told what to set', async () => {
  const pool = open(database.url, { poolMode: 'transaction' })
  await expect(checkPooledSession(pool, { schema: 'token' }, silentLog)).rejects.toThrow(
    'alter role muster set search_path = token',
  )
  const name = pg.escapeIdentifier(new URL(database.url).pathname.slice(1))
  await pool.query(`alter role muster in database ${name} set search_path = token`)
  const next = open(database.url, { poolMode: 'transaction' })
  await expect(checkPooledSession(next, { schema: 'token' }, silentLog)).resolves.toBeUndefined()
})
