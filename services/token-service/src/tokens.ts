import type { token } from '@muster/contracts'
import type { Labels, NodeRole } from '@muster/domain'
import type { Db } from '@muster/postgres'

/** A join token as stored, without its secret. */
export interface JoinToken {
  id: string
  roles: NodeRole[]
  labels: Labels
  description: string
  botName: string | undefined
  createdBy: string
  createdAt: Date
  expiresAt: Date
  maxUses: number | undefined
  uses: number
}

export interface NewToken {
  id: string
  digest: Buffer
  roles: readonly NodeRole[]
  labels: Labels
  description: string
  botName: string | undefined
  createdBy: string
  ttlSeconds: number
  maxUses: number | undefined
}

// A token without a limit is not counted when it is spent, so that its joins do not queue on one row; the spends are.
const COLUMNS = `
  id, roles, labels, description, bot_name as "botName", created_by as "createdBy", created_at as "createdAt",
  expires_at as "expiresAt", max_uses as "maxUses",
  case when max_uses is null
       then (select count(*)::int from spends where spends.token_id = tokens.id)
       else uses end as uses`

/** Adds a token. @throws a unique violation of tokens_digest if the value is in use already */
export async function insertToken(db: Db, made: NewToken): Promise<JoinToken> {
  // Whole milliseconds, since a page's cursor carries the time as a JavaScript date.
  const { rows } = await db.query(
    `insert into tokens (id, digest, roles, labels, description, bot_name, created_by, expires_at, max_uses)
     values ($1, $2, $3, $4, $5, $6, $7, date_trunc('milliseconds', now()) + make_interval(secs => $8), $9)
     returning ${COLUMNS}`,
    [
      made.id,
      made.digest,
      made.roles,
      made.labels,
      made.description,
      made.botName ?? null,
      made.createdBy,
      made.ttlSeconds,
      made.maxUses ?? null,
    ],
  )
  return toJoinToken(rows[0])
}

export interface Page {
  size: number
  /** Where the last page ended. */
  after: { expiresAt: Date; id: string } | undefined
}

/** Tokens that can still admit someone, soonest expiry first. */
export async function selectLiveTokens(db: Db, { size, after }: Page): Promise<JoinToken[]> {
  const { rows } = await db.query(
    `select ${COLUMNS}
       from tokens
      where revoked_at is null
        and expires_at > now()
        and (max_uses is null or uses < max_uses)
        and (expires_at, id) > ($1, $2)
      order by expires_at, id
      limit $3`,
    [after?.expiresAt ?? new Date(0), after?.id ?? '', size],
  )
  return rows.map(toJoinToken)
}

/** Revokes the token with that id or digest. Undefined if there is none that still lives. */
export async function revokeToken(db: Db, key: { id: string } | { digest: Buffer }): Promise<JoinToken | undefined> {
  const [column, value] = 'id' in key ? ['id', key.id] : ['digest', key.digest]
  const { rows } = await db.query(
    `update tokens
        set revoked_at = now()
      where ${column} = $1
        and revoked_at is null
        and expires_at > now()
     returning ${COLUMNS}`,
    [value],
  )
  return rows[0] === undefined ? undefined : toJoinToken(rows[0])
}

/** Forgets tokens that ended longer ago than the retention, with their spends. @returns how many */
export async function purgeTokens(db: Db, retentionSeconds: number): Promise<number> {
  const { rowCount } = await db.query(
    `with purged as (
       delete from tokens
        where least(expires_at, revoked_at) < now() - make_interval(secs => $1)
       returning id),
     forgotten as (
       delete from spends using purged where spends.token_id = purged.id)
     select id from purged`,
    [retentionSeconds],
  )
  return rowCount ?? 0
}

interface Row extends Omit<JoinToken, 'botName' | 'maxUses'> {
  botName: string | null
  maxUses: number | null
}

function toJoinToken(row: Row): JoinToken {
  return { ...row, botName: row.botName ?? undefined, maxUses: row.maxUses ?? undefined }
}

/** A token on the wire. */
export function toProto(stored: JoinToken): token.Token {
  return { ...stored, botName: stored.botName ?? '' }
}
