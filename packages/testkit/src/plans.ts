import { readdirSync } from 'node:fs'
import path from 'node:path'
import type { Db } from '@muster/postgres'
import type pg from 'pg'

/** A statement as it was run, and what Postgres says of it. */
export interface ExplainedStatement {
  text: string
  /** Pages of tables and indexes that it touched. */
  pages: number
  /** Tables that it reads whole: as it was run, and for any values if it is prepared. */
  wholeTables: string[]
}

interface PlanNode {
  'Node Type': string
  'Relation Name'?: string
  'Shared Hit Blocks'?: number
  'Shared Read Blocks'?: number
  Plans?: PlanNode[]
}

/**
 * A database for store functions that explains each statement before it is run: in a transaction that is rolled back, so
 * that it is run once. What it found is in `statements`.
 */
export function explaining(pool: pg.Pool): { db: Db; statements: ExplainedStatement[] } {
  const statements: ExplainedStatement[] = []
  const query = async (config: string | pg.QueryConfig, values?: unknown[]) => {
    const { name, text, values: own } = typeof config === 'string' ? { text: config, values } : config
    statements.push(await explain(pool, { name, text, values: own ?? values ?? [] }))
    return pool.query(text, own ?? values)
  }
  return { db: { query } as unknown as Db, statements }
}

async function explain(
  pool: pg.Pool,
  { name, text, values }: { name?: string | undefined; text: string; values: unknown[] },
): Promise<ExplainedStatement> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    const plan = await planOf(client, `explain (analyze, buffers, format json) ${text}`, values)
    const wholeTables = new Set(wholeTablesOf(plan))
    // A prepared statement may get a plan that does not know its values.
    if (name !== undefined)
      for (const table of wholeTablesOf(await planOf(client, `explain (generic_plan, format json) ${text}`)))
        wholeTables.add(table)
    const pages = (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0)
    return { text, pages, wholeTables: [...wholeTables] }
  } finally {
    await client.query('rollback')
    client.release()
  }
}

async function planOf(client: pg.PoolClient, text: string, values?: unknown[]): Promise<PlanNode> {
  const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(text, values)
  return rows[0]!['QUERY PLAN'][0].Plan
}

function wholeTablesOf(node: PlanNode): string[] {
  const own = node['Node Type'] === 'Seq Scan' ? [node['Relation Name']!] : []
  return [...own, ...(node.Plans ?? []).flatMap(wholeTablesOf)]
}

/** The names of the functions in a folder that take a database first: those whose statements a test should explain. */
export async function storeFunctions(folder: string): Promise<string[]> {
  const files = readdirSync(folder).filter((file) => /(?<!\.test)\.ts$/.test(file))
  const modules = await Promise.all(files.map((file) => import(path.join(folder, file)) as Promise<object>))
  return modules
    .flatMap((module) => Object.values(module) as unknown[])
    .filter((value) => typeof value === 'function' && /^(?:async )?function \w+\(db\b/.test(String(value)))
    .map((value) => (value as { name: string }).name)
}
