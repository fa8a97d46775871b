import { randomBytes } from 'node:crypto'
import { POSTGRES_URL_VARIABLE, storeUrl } from './store-url.ts'

export interface TestDatabase {
  /** Connects as the superuser. */
  url: string
  /** The content of all tables of these schemas as text, for tests that search it for secrets. */
  dump(...schemas: string[]): Promise<string>
  /** Removes it and cuts the connections that are still open. */
  drop(): Promise<void>
}

/** Makes an empty database for one test file, in the Postgres that the whole run shares. About 50 ms. */
export async function createDatabase(): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`
  const url = storeUrl(POSTGRES_URL_VARIABLE)
  await query(url.href, `create database ${name} strategy file_copy`)
  const own = new URL(url)
  own.pathname = `/${name}`
  return {
    url: own.href,
    async dump(...schemas) {
      const tables = await query(
        own.href,
        `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = any ($1)`,
        [schemas],
      )
      let text = ''
      for (const table of tables) {
        const rows = await query(own.href, `select row_to_json(t)::text as row from ${table['name']} as t`)
        text += `${table['name']}\n${rows.map(({ row }) => `${row}\n`).join('')}`
      }
      return text
    },
    drop: async () => void (await query(url.href, `drop database ${name} with (force)`)),
  }
}

async function query(
  connectionString: string,
  text: string,
  values: unknown[] = [],
): Promise<Record<string, string>[]> {
  const { default: pg } = await import('pg')
  const client = new pg.Client({ connectionString })
  await client.connect()
  try {
    const { rows } = await client.query<Record<string, string>>(text, values)
    return rows
  } finally {
    await client.end()
  }
}
