import type pg from 'pg'

/** Every row of every table of our schemas as text, bytes as hex. */
export async function dumpDatabase(db: pg.Pool): Promise<string> {
  const { rows: tables } = await db.query<{ name: string }>(
    `select format('%I.%I', table_schema, table_name) as name
       from information_schema.tables
      where table_type = 'BASE TABLE' and table_schema in ('ca', 'token', 'registration')
      order by name`,
  )
  const parts: string[] = []
  for (const { name } of tables) {
    const { rows } = await db.query<{ line: string }>(`select t::text as line from ${name} t`)
    parts.push(name, ...rows.map(({ line }) => line))
  }
  return parts.join('\n')
}
