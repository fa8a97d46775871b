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
  after: NodePlace | undefined
}

/** The place of a node in a list: what the list is sorted by, and the id. */
export type NodePlace = readonly [key: string, id: string]

interface NodeOrder {
  comesAfter: string
  orderBy: string
  start: NodePlace
  keyOf: (node: StoredNode) => string
}

const BY_HOSTNAME: NodeOrder = {
  comesAfter: '(hostname, id) > ($1, $2)',
  orderBy: 'hostname, id',
  start: ['', '00000000-0000-0000-0000-000000000000'],
  keyOf: ({ hostname }) => hostname,
}

/** The times of joins are whole milliseconds, so a place is exact. */
const NEWEST_FIRST: NodeOrder = {
  comesAfter: '(joined_at, id) < ($1::timestamptz, $2::uuid)',
  orderBy: 'joined_at desc, id desc',
  start: ['infinity', 'ffffffff-ffff-ffff-ffff-ffffffffffff'],
  keyOf: ({ joinedAt }) => joinedAt.toISOString(),
}

function orderOf({ tokenId }: NodeFilter): NodeOrder {
  return tokenId === undefined ? BY_HOSTNAME : NEWEST_FIRST
}

/** The place of a node in a list with this filter. */
export function placeOf(node: StoredNode, filter: NodeFilter): NodePlace {
  return [orderOf(filter).keyOf(node), node.id]
}

/** A page of the roll by hostname, then id; the nodes of one token come newest first. */
export async function selectNodes(db: Db, { size, after, ...filter }: NodePage): Promise<StoredNode[]> {
  const { comesAfter, orderBy, start } = orderOf(filter)
  const conditions = CONDITIONS.filter(({ of }) => filter[of] !== undefined)
  const { rows } = await db.query({
    name: ['select-nodes', ...conditions.map(({ of }) => of)].join('-'),
    text: `
      select ${NODE_COLUMNS}
        from nodes
       where joined_at is not null
         and ${comesAfter}
         ${conditions.map(({ sql }, i) => `and ${sql(`$${i + 4}`)}`).join('\n         ')}
       order by ${orderBy}
       limit $3`,
    values: [...(after ?? start), size, ...conditions.map(({ of }) => filter[of])],
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
