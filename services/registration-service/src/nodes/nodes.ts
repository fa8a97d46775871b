import type { Labels, NodeRole } from '@muster/domain'
import type { Db } from '@muster/postgres'

/** A node that has joined, as stored. */
export interface StoredNode {
  id: string
  hostname: string
  roles: NodeRole[]
  labels: Labels
  version: string
  advertisedAddress: string
  remoteAddress: string
  os: string
  tokenId: string
  joinedAt: Date
  /** Undefined until its first hello. */
  firstSeenAt: Date | undefined
  lastSeenAt: Date | undefined
  certificateExpiresAt: Date
}

/** A node as it joins. */
export interface JoiningNode {
  id: string
  hostname: string
  roles: readonly NodeRole[]
  labels: Labels
  version: string
  advertisedAddress: string
  remoteAddress: string
  tokenId: string
  keyFingerprint: Buffer
  /** Labels that the token forces on it: they stand over what the node says of itself, now and at each hello. */
  nodeLabels: Labels
}

/**
 * Records a join that is under way. Repeated with the same id it brings the row up to what the node says now; the id
 * comes from the token's spend, so the same id means the same key.
 * @returns false if the node was removed: its key may not come back, though it may repeat the spend
 */
export async function recordJoiningNode(db: Db, node: JoiningNode): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'record-joining-node',
    text: `
      insert into nodes
        (id, hostname, roles, labels, node_labels, version, advertised_address, remote_address, token_id,
         key_fingerprint)
      values ($1, $2, $3, $4::jsonb || $5::jsonb, $5, $6, $7, $8, $9, $10)
      on conflict on constraint nodes_pkey do update
        set hostname = excluded.hostname,
            roles = excluded.roles,
            labels = excluded.labels,
            node_labels = excluded.node_labels,
            version = excluded.version,
            advertised_address = excluded.advertised_address,
            remote_address = excluded.remote_address
        where nodes.removed_at is null`,
    values: [
      node.id,
      node.hostname,
      node.roles,
      node.labels,
      node.nodeLabels,
      node.version,
      node.advertisedAddress,
      node.remoteAddress,
      node.tokenId,
      node.keyFingerprint,
    ],
  })
  return rowCount === 1
}

/**
 * Puts a joining node on the roll with the certificate it is about to get, and writes the audit event, in one statement.
 * Repeated for a node that is on the roll it notes the newer certificate.
 * @returns false if the node is gone: it was removed meanwhile
 */
export async function activateNode(db: Db, id: string, serial: string, expiresAt: Date): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'activate-node',
    text: `
      with active as (
        update nodes
           set joined_at = coalesce(joined_at, date_trunc('milliseconds', now())),
               previous_serial = certificate_serial,
               certificate_serial = $2,
               certificate_issued_at = now(),
               certificate_expires_at = $3
         where id = $1
           and removed_at is null
        returning id, token_id, remote_address, hostname, roles)
      select record_audit(
               action => 'node.join', actor => 'anonymous', remote_address => remote_address, token_id => token_id,
               node_id => id, details => jsonb_build_object('hostname', hostname, 'roles', roles, 'serial', $2::text))
        from active`,
    values: [id, serial, expiresAt],
  })
  return rowCount === 1
}

/** Whether a node may renew: superseded if what it shows is neither its last certificate nor the one before. */
export type RenewalCheck = 'allowed' | 'unknown' | 'superseded' | 'too-soon'

/**
 * Whether a node may renew with the certificate it shows: its last one or the one before, on the key it joined with, and
 * not within a twentieth of the life of the last. Roles come with it: what the node was admitted as.
 */
export async function checkRenewal(
  db: Db,
  id: string,
  shownSerial: string,
  keyFingerprint: Buffer,
): Promise<{ check: RenewalCheck; roles: NodeRole[] }> {
  const { rows } = await db.query(
    `select roles,
            $2 in (certificate_serial, previous_serial) and key_fingerprint = $3 as genuine,
            now() < certificate_issued_at + (certificate_expires_at - certificate_issued_at) / 20 as "tooSoon"
       from nodes
      where id = $1
        and joined_at is not null`,
    [id, shownSerial, keyFingerprint],
  )
  const row = rows[0] as { roles: NodeRole[]; genuine: boolean; tooSoon: boolean } | undefined
  if (row === undefined) return { check: 'unknown', roles: [] }
  const check = !row.genuine ? 'superseded' : row.tooSoon ? 'too-soon' : 'allowed'
  return { check, roles: row.roles }
}

/** Notes a renewal, on the same condition, with its audit event in the same statement. @returns false if it no longer holds */
export async function recordRenewal(
  db: Db,
  renewal: { id: string; actor: string; remoteAddress: string; shownSerial: string; serial: string; expiresAt: Date },
): Promise<boolean> {
  const { rowCount } = await db.query(
    `with renewed as (
       update nodes
          set previous_serial = $2,
              certificate_serial = $3,
              certificate_issued_at = now(),
              certificate_expires_at = $4
        where id = $1
          and joined_at is not null
          and $2 in (certificate_serial, previous_serial)
       returning id)
     select record_audit(
              action => 'node.renew', actor => $5, remote_address => $6, node_id => id,
              details => jsonb_build_object('serial', $3::text))
       from renewed`,
    [renewal.id, renewal.shownSerial, renewal.serial, renewal.expiresAt, renewal.actor, renewal.remoteAddress],
  )
  return rowCount === 1
}

/** What a node says of itself at the beginning of a stream of beats. */
export interface HelloFacts {
  id: string
  /** Of the key that the stream's certificate is for. */
  keyFingerprint: Buffer
  hostname: string
  labels: Labels
  version: string
  advertisedAddress: string
  remoteAddress: string
  os: string
}

/**
 * Notes what a node says of itself when its stream opens, save for labels that its token forced on it.
 * @returns false if no node with that id and key is on the roll
 */
export async function recordHello(db: Db, hello: HelloFacts): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'record-hello',
    text: `
      update nodes
         set hostname = $2,
             labels = $3::jsonb || node_labels,
             version = $4,
             advertised_address = $5,
             remote_address = $6,
             os = $7,
             first_seen_at = coalesce(first_seen_at, now()),
             last_seen_at = now()
       where id = $1
         and key_fingerprint = $8
         and joined_at is not null`,
    values: [
      hello.id,
      hello.hostname,
      hello.labels,
      hello.version,
      hello.advertisedAddress,
      hello.remoteAddress,
      hello.os,
      hello.keyFingerprint,
    ],
  })
  return rowCount === 1
}

/** Keeps when nodes were last heard of. Never moves a time back, so it may be repeated and come late. */
export async function recordLastSeen(db: Db, seen: readonly { id: string; lastSeenAt: Date }[]): Promise<void> {
  await db.query(
    `update nodes
        set last_seen_at = greatest(nodes.last_seen_at, seen.at)
       from unnest($1::uuid[], $2::timestamptz[]) as seen (id, at)
      where nodes.id = seen.id`,
    [seen.map(({ id }) => id), seen.map(({ lastSeenAt }) => lastSeenAt)],
  )
}

const COLUMNS = `
  id, hostname, roles, labels, version, advertised_address as "advertisedAddress", remote_address as "remoteAddress",
  os, token_id as "tokenId", joined_at as "joinedAt", first_seen_at as "firstSeenAt", last_seen_at as "lastSeenAt",
  certificate_expires_at as "certificateExpiresAt"`

/** Which nodes to list; what is absent does not narrow the list. */
export interface NodeFilter {
  /** Only nodes that came in by this token. */
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
      select ${COLUMNS}
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

/** A search has no line break, so it does not match across two of the joined values. */
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

/** These nodes, as far as they are on the roll. */
export async function selectNodesById(db: Db, ids: readonly string[]): Promise<StoredNode[]> {
  const { rows } = await db.query(
    `select ${COLUMNS}
       from nodes
      where joined_at is not null
        and id = any ($1::uuid[])`,
    [ids],
  )
  return rows.map(toStoredNode)
}

/** Those of these ids that are on the roll. */
export async function selectKnownIds(db: Db, ids: readonly string[]): Promise<Set<string>> {
  const { rows } = await db.query<{ id: string }>(
    `select id
       from nodes
      where joined_at is not null
        and id = any ($1::uuid[])`,
    [ids],
  )
  return new Set(rows.map(({ id }) => id))
}

/** Takes a node off the roll, with the audit event in the same statement. @returns what it was, or undefined if it is not there */
export async function takeOffRoll(
  db: Db,
  { id, actor, remoteAddress }: { id: string; actor: string; remoteAddress: string },
): Promise<StoredNode | undefined> {
  const { rows } = await db.query(
    `with known as (
       select id, hostname, roles, labels, version, advertised_address, remote_address, os, token_id, joined_at,
              first_seen_at, last_seen_at, certificate_expires_at
         from nodes
        where id = $1
          and joined_at is not null
          for update),
     removed as (
       update nodes
          set joined_at = null,
              removed_at = now()
         from known
        where nodes.id = known.id
       returning nodes.id)
     select ${COLUMNS}
       from known
       join removed using (id)
      cross join lateral record_audit(
              action => 'node.remove', actor => $2, remote_address => $3, token_id => token_id, node_id => id,
              details => jsonb_build_object('hostname', hostname, 'roles', roles))`,
    [id, actor, remoteAddress],
  )
  return rows.map(toStoredNode)[0]
}

/**
 * Forgets joins that were begun over a day ago and never finished, and nodes that were removed as long ago: far beyond the
 * time in which the spend of a token may be repeated.
 */
export async function purgeNodes(db: Db): Promise<number> {
  const { rowCount } = await db.query(
    `delete from nodes
      where joined_at is null
        and coalesce(removed_at, created_at) < now() - interval '1 day'`,
  )
  return rowCount ?? 0
}

type Row = Omit<StoredNode, 'firstSeenAt' | 'lastSeenAt'> & { firstSeenAt: Date | null; lastSeenAt: Date | null }

function toStoredNode(row: Row): StoredNode {
  return { ...row, firstSeenAt: row.firstSeenAt ?? undefined, lastSeenAt: row.lastSeenAt ?? undefined }
}
