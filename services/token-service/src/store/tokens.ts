import { token } from '@muster/contracts'
import type { Labels, NodeRole, Restrictions } from '@muster/domain'
import type { Db } from '@muster/postgres'

/** The type of a token. */
export type TokenType = 'join' | 'signup' | 'static'
/** The state of a token. */
export type TokenState = 'live' | 'expired' | 'usedUp' | 'revoked'

/** A token as stored, without its secret. */
export interface StoredToken extends Restrictions {
  id: string
  type: TokenType
  state: TokenState
  name: string | undefined
  roles: NodeRole[]
  labels: Labels
  description: string
  botName: string | undefined
  userName: string | undefined
  nodeLabels: Labels
  createdBy: string
  createdAt: Date
  /** Undefined for a static token: never. */
  expiresAt: Date | undefined
  revokedAt: Date | undefined
  maxUses: number | undefined
  uses: number
}

/** A token to be stored, by the digest of its value. */
export interface NewToken extends Restrictions {
  id: string
  digest: Buffer
  type: 'join' | 'signup'
  name: string | undefined
  roles: readonly NodeRole[]
  labels: Labels
  description: string
  botName: string | undefined
  userName: string | undefined
  nodeLabels: Labels
  createdBy: string
  ttlSeconds: number
  maxUses: number | undefined
}

/** The digests of the static tokens in this replica's configuration. A static token is live if it is among them. */
export type Configured = readonly Buffer[]
const NONE: Configured = []

const REVOKED = `(revoked_at is not null or type = 'static' and digest <> all ($1::bytea[]))`
const USED_UP = `(max_uses is not null and uses >= max_uses)`

/** Conditions on a row of `tokens`, where $1 is Configured. A token is in exactly one of these states. */
export const IS: Record<TokenState, string> = {
  revoked: REVOKED,
  expired: `(not ${REVOKED} and expires_at <= now())`,
  usedUp: `(not ${REVOKED} and expires_at > now() and ${USED_UP})`,
  live: `(not ${REVOKED} and expires_at > now() and not ${USED_UP})`,
}

/**
 * The spends of a row of `tokens`. A range, since Postgres assumes that a range is narrow, and uses the index: for an equality
 * it divides the table by the number of tokens in its statistics, and reads the whole table for each token while few have
 * been spent.
 */
export const SPENDS_OF_TOKEN = 'spends.token_id between tokens.id and tokens.id'

/**
 * The columns of StoredToken, where $1 is Configured. A token without a limit has no counter, so that its joins do not queue
 * on one row: its spends are counted instead.
 */
export const COLUMNS = `
  id, type, name, roles, labels, description, bot_name as "botName", user_name as "userName",
  node_labels as "nodeLabels", allow_cidrs as "allowCidrs", allow_hostnames as "allowHostnames",
  created_by as "createdBy", created_at as "createdAt", nullif(expires_at, 'infinity') as "expiresAt",
  revoked_at as "revokedAt", max_uses as "maxUses",
  case when max_uses is null
       then (select count(*)::int from spends where ${SPENDS_OF_TOKEN})
       else uses end as uses,
  case when ${IS.live} then 'live'
       when ${IS.usedUp} then 'usedUp'
       when ${IS.expired} then 'expired'
       else 'revoked' end as state`

/** This many seconds from now, in whole milliseconds, since a page's cursor carries the time as a JavaScript date. */
export const expiryAfter = (seconds: string) => `date_trunc('milliseconds', now()) + make_interval(secs => ${seconds})`

/**
 * Adds a token.
 * @returns undefined if a live token has the name
 * @throws a unique violation of tokens_digest if another token has the value
 */
export async function insertToken(db: Db, made: NewToken): Promise<StoredToken | undefined> {
  // Checks the name before the value, so that a repeat of the same request fails by its name.
  const { rows } = await db.query(
    `insert into tokens (id, digest, type, name, roles, labels, description, bot_name, user_name, node_labels,
                         allow_cidrs, allow_hostnames, created_by, expires_at, max_uses)
     values ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, ${expiryAfter('$15')}, $16)
     on conflict (name) where name is not null do nothing
     returning ${COLUMNS}`,
    [
      NONE,
      made.id,
      made.digest,
      made.type,
      made.name ?? null,
      made.roles,
      made.labels,
      made.description,
      made.botName ?? null,
      made.userName ?? null,
      made.nodeLabels,
      made.allowCidrs,
      made.allowHostnames,
      made.createdBy,
      made.ttlSeconds,
      made.maxUses ?? null,
    ],
  )
  return rows[0] === undefined ? undefined : toStoredToken(rows[0])
}

/** Takes the name from a token that has ended. Call it in the transaction that gives the name to another token. */
export async function freeName(db: Db, name: string): Promise<void> {
  await db.query(
    `update tokens
        set name = null
      where name = $2
        and not ${IS.live}`,
    [NONE, name],
  )
}

/** What a query of COLUMNS returns. */
export interface Row extends Omit<
  StoredToken,
  'name' | 'botName' | 'userName' | 'maxUses' | 'expiresAt' | 'revokedAt'
> {
  name: string | null
  botName: string | null
  userName: string | null
  maxUses: number | null
  expiresAt: Date | null
  revokedAt: Date | null
}

/** A row of COLUMNS as a token, with undefined in place of null. */
export function toStoredToken(row: Row): StoredToken {
  return {
    ...row,
    name: row.name ?? undefined,
    botName: row.botName ?? undefined,
    userName: row.userName ?? undefined,
    maxUses: row.maxUses ?? undefined,
    expiresAt: row.expiresAt ?? undefined,
    revokedAt: row.revokedAt ?? undefined,
  }
}

/** The contract's value for each type of token. */
export const TYPES: Record<TokenType, token.TokenType> = {
  join: token.TokenType.JOIN,
  signup: token.TokenType.SIGNUP,
  static: token.TokenType.STATIC,
}

/** The contract's value for each state of a token. */
export const STATES: Record<TokenState, token.TokenState> = {
  live: token.TokenState.LIVE,
  expired: token.TokenState.EXPIRED,
  usedUp: token.TokenState.USED_UP,
  revoked: token.TokenState.REVOKED,
}

/** Converts a token to the contract's message. */
export function toProto({ allowCidrs, allowHostnames, ...stored }: StoredToken): token.Token {
  return {
    ...stored,
    type: TYPES[stored.type],
    state: STATES[stored.state],
    name: stored.name ?? '',
    botName: stored.botName ?? '',
    userName: stored.userName ?? '',
    restrictions: { allowCidrs, allowHostnames },
  }
}
