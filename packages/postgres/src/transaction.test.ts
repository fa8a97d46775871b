import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { createDatabase, type TestDatabase } from '@muster/testkit'
import { assertRemoteCallAllowed } from '@muster/runtime'
import type pg from 'pg'
import { openPool, type Db } from './pool.ts'
import { isRetryable, violates } from './sql-state.ts'
import { gate, silentLog } from '../test/support/database.ts'
import { transaction } from './transaction.ts'

let database: TestDatabase
let pool: pg.Pool

beforeAll(async () => {
  database = await createDatabase()
  pool = openPool({ databaseUrl: database.url, schema: 'own', applicationName: 'test', size: 4 }, silentLog)
  await pool.query(`
    create schema own;
    create table counters (
      id integer, value integer not null,
      constraint counters_pkey primary key (id),
      constraint counters_positive check (value >= 0))`)
})
beforeEach(async () => {
  await pool.query('truncate counters')
  await pool.query('insert into counters values (1, 0), (2, 0)')
})
afterAll(async () => {
  await pool.end()
  await database.drop()
})

async function values(): Promise<number[]> {
  const { rows } = await pool.query<{ value: number }>('select value from counters order by id')
  return rows.map(({ value }) => value)
}

function add(db: Db, id: number): Promise<unknown> {
  return db.query('update counters set value = value + 1 where id = $1', [id])
}

describe('a transaction', () => {
  test('a transaction keeps all of its work, and returns its result', async () => {
    const result = await transaction(pool, async (db) => {
      await add(db, 1)
      await add(db, 2)
      return 'done'
    })
    expect(result).toBe('done')
    expect(await values()).toEqual([1, 1])
  })

  test('a transaction keeps none of its work when it throws, and its connection can be used again', async () => {
    for (let i = 0; i < 10; i++) {
      const failed = transaction(pool, async (db) => {
        await add(db, 1)
        throw new Error('changed my mind')
      })
      await expect(failed).rejects.toThrow('changed my mind')
    }
    expect(await values()).toEqual([0, 0])
    expect(pool.idleCount).toBe(pool.totalCount)
  })

  test('a transaction keeps none of its work when a statement fails', async () => {
    const failed = transaction(pool, async (db) => {
      await add(db, 1)
      await db.query('insert into counters values (1, 5)')
    })
    await expect(failed).rejects.toThrow('counters_pkey')
    expect(await values()).toEqual([0, 0])
  })

  test('a transaction that meets a deadlock runs again, so that both succeed', async () => {
    const firstHasOne = gate()
    const secondHasTwo = gate()
    let runs = 0
    const crosswise = (mine: number, other: number, done: () => void, wait: Promise<void>) =>
      transaction(pool, async (db) => {
        runs += 1
        await add(db, mine)
        done()
        await wait
        await add(db, other)
      })
    await Promise.all([
      crosswise(1, 2, firstHasOne.open, secondHasTwo.opened),
      crosswise(2, 1, secondHasTwo.open, firstHasOne.opened),
    ])
    expect(await values()).toEqual([2, 2])
    expect(runs).toBeGreaterThan(2)
  })

  test('a transaction throws when its work calls another service', async () => {
    const work = transaction(pool, async (db) => {
      await add(db, 1)
      assertRemoteCallAllowed('SpendToken')
    })
    await expect(work).rejects.toThrow('SpendToken was called inside of a transaction')
    expect(await values()).toEqual([0, 0])
  })

  test('a transaction is attempted five times at most', async () => {
    let runs = 0
    const failed = transaction(pool, async (db) => {
      runs += 1
      await db.query(`do $$ begin raise exception 'again' using errcode = '40001'; end $$`)
    })
    await expect(failed).rejects.toMatchObject({ code: '40001' })
    expect(runs).toBe(5)
  })

  test('a transaction whose connection is lost is an error, and the pool continues', async () => {
    const failed = transaction(pool, async (db) => {
      await add(db, 1)
      await db.query('select pg_terminate_backend(pg_backend_pid())')
    })
    await expect(failed).rejects.toThrow()
    expect(await values()).toEqual([0, 0])
  })
})

describe('the violation of a constraint', () => {
  async function errorOf(sql: string): Promise<unknown> {
    return pool.query(sql).then(
      () => undefined,
      (error: unknown) => error,
    )
  }

  test('the violation of a constraint is known by its name', async () => {
    const unique = await errorOf('insert into counters values (1, 1)')
    expect(violates(unique, 'counters_pkey')).toBe(true)
    expect(violates(unique, 'counters_positive')).toBe(false)
    expect(violates(await errorOf('update counters set value = -1'), 'counters_positive')).toBe(true)
  })

  test('the violation of a constraint is distinguished from any other error', async () => {
    expect(violates(await errorOf('select nothing'), 'counters_pkey')).toBe(false)
    expect(violates({ constraint: 'counters_pkey' }, 'counters_pkey')).toBe(false)
    expect(isRetryable(await errorOf('insert into counters values (1, 1)'))).toBe(false)
  })
})
