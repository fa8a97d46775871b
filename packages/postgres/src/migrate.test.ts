import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { createDatabase, type TestDatabase } from '@muster/testkit'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import type pg from 'pg'
import { migrate } from './migrate.ts'
import { openPool } from './pool.ts'
import { silentLog } from '../test/support/database.ts'

let folder: string
let database: TestDatabase
let pool: pg.Pool

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'muster-migrations-'))
  await write('0001_first.sql', 'create table things (id integer primary key); insert into things values (1);')
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})
beforeEach(async () => {
  database = await createDatabase()
  pool = openPool({ databaseUrl: database.url, schema: 'own', applicationName: 'test' }, silentLog)
})
afterEach(async () => {
  await pool.end()
  await database.drop()
})

async function write(name: string, sql: string): Promise<void> {
  await writeFile(path.join(folder, name), `-- Up Migration\n${sql}\n`)
}

function run(): Promise<void> {
  return migrate({ databaseUrl: database.url, schema: 'own', folder }, silentLog)
}

async function things(): Promise<number[]> {
  const { rows } = await pool.query<{ id: number }>('select id from things order by id')
  return rows.map(({ id }) => id)
}

describe('migrations', () => {
  test('migrations of four replicas that start together run once', async () => {
    await Promise.all([run(), run(), run(), run()])
    expect(await things()).toEqual([1])
    const { rows } = await pool.query('select name from migrations')
    expect(rows).toEqual([{ name: '0001_first' }])
  })

  test('migrations that were applied are skipped, and new ones run after them', async () => {
    await run()
    await write('0002_second.sql', 'insert into things values (2);')
    try {
      await run()
      await run()
    } finally {
      await rm(path.join(folder, '0002_second.sql'))
    }
    expect(await things()).toEqual([1, 2])
  })

  test('migrations that fail leave nothing behind', async () => {
    await write('0002_bad.sql', 'insert into things values (2); insert into nowhere values (3);')
    try {
      await expect(run()).rejects.toThrow('nowhere')
    } finally {
      await rm(path.join(folder, '0002_bad.sql'))
    }
    const { rows } = await pool.query(`select to_regclass('own.things') as things`)
    expect(rows).toEqual([{ things: null }])
    await run()
    expect(await things()).toEqual([1])
  })

  test('migrations touch no schema but their own', async () => {
    await run()
    const { rows } = await pool.query(
      `select table_schema, table_name from information_schema.tables
        where table_schema not in ('pg_catalog', 'information_schema')
        order by table_name`,
    )
    expect(rows).toEqual([
      { table_schema: 'own', table_name: 'migrations' },
      { table_schema: 'own', table_name: 'things' },
    ])
  })
})
