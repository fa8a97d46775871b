import type { Labels } from '@muster/domain'
import type { Db } from '@muster/postgres'
import { BAN_COLUMNS, type BanRow, banOf, type StoredBan } from '../../bans/stored-ban.ts'
import { NODE_COLUMNS, type StoredNode, toStoredNode } from './stored-node.ts'

/** Which nodes to list; what is absent does not narrow the list. */
export interface NodeFilter {
  /** Only nodes that joined by this token. */
  tokenId?: string | undefined
  /** Only nodes that carry all of these. */
  labels?: Labels | undefined
  /** Only nodes that have this text in their host name, id, addresses or labels, in any case. */
  search?: string | undefined
}

/** Which part of the list to read. */
export interface NodePage extends NodeFilter {
  size: number
  after: { hostname: string; id: string } | undefined
}

/** A page of the roll by hostname, then id. */
export async function selectNodes(db: Db, { size, after, ...filter }: NodePage): Promise<StoredNode[]> {
  const conditions = CONDITIONS.filter(({ of }) => filter[of] !== undefined)
  const { rows } = await db.query({
    name: ['select-nodes', ...conditions.map(({ of }) => of)].join('-'),
    text: `
      select ${NODE_COLUMNS}
        from nodes
       where joined_at is not null
         and (hostname, id) > ($1, $2)
         ${conditions.map(({ sql }, i) => `and ${sql(`$${i + 4}`)}`).join('\n         ')}
       order by hostname, id
       limit $3`,
    values: [
      after?.hostname ?? '',
      after?.id ?? '00000000-0000-0000-0000-000000000000',
      size,
      ...conditions.map(({ of }) => filter[of]),
    ],
  })
  return rows.map(toStoredNode)
}

/** A search text has no line break, so it cannot match across two of the joined values. */
const CONDITIONS: readonly { of: keyof NodeFilter; sql: (value: string) => string }[] = [
  { of: 'tokenId', sql: (value) => `token_id = ${value}` },
  { of: 'labels', sql: (value) => `labels @> ${value}::jsonb` },
  {
    of: 'search',
    sql: (value) => `
         strpos(
           lower(concat_ws(
             chr(10), hostname, id, advertised_address, remote_address,
             (select string_agg(key || '=' || value, chr(10)) from jsonb_each_text(labels)))),
           lower(${value})) > 0`,
  },
]

/** Those of these nodes that are on the roll. */
export async function selectNodesById(db: Db, ids: readonly string[]): Promise<StoredNode[]> {
  const { rows } = await db.query(
    `select ${NODE_COLUMNS}
       from nodes
      where joined_at is not null
        and id = any ($1::uuid[])`,
    [ids],
  )
  return rows.map(toStoredNode)
}

/** Those of these ids that are on the roll, each with its ban if it is banned now. */
export async function selectStanding(db: Db, ids: readonly string[]): Promise<Map<string, StoredBan | undefined>> {
  const { rows } = await db.query<{ id: string } & BanRow>(
    `select id, ${BAN_COLUMNS}
       from nodes
      where joined_at is not null
        and id = any ($1::uuid[])`,
    [ids],
  )
  return new Map(rows.map((row) => [row.id, banOf(row)]))
}
