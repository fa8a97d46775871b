import type { Labels } from '@muster/domain'
import { type Db, violates } from '@muster/postgres'
import type { Configured } from './tokens.ts'

/** How long the same key may spend the same token again, and get the same node id: lost replies, crashed agents. */
export const RETRY_WINDOW_SECONDS = 30 * 60

/** A token value that a newcomer presents, and its purpose. */
export interface SpendInput {
  digest: Buffer
  /** SHA-256 of the newcomer's SubjectPublicKeyInfo. */
  keyFingerprint: Buffer
  /** Becomes the node id if this key spends this token for the first time. */
  candidateNodeId: string
  purpose: JoinPurpose | SignupPurpose
  /** An IP address without a zone. */
  remoteAddress: string
  /** SPIFFE id of the calling service, for the audit. */
  actor: string
}

/** To join as a node or bot. */
export interface JoinPurpose {
  roles: readonly string[]
  hostname: string
}

/** To sign up as a person. */
export interface SignupPurpose {
  userName: string
}

/** The outcome of a spend. The refusal of a genuine token names the token. */
export type SpendResult =
  | { outcome: 'spent'; tokenId: string; nodeId: string; botName: string | undefined; nodeLabels: Labels }
  /** Without a token id if the token is unknown. */
  | { outcome: 'refused'; reason: SpendRefusal; tokenId?: string; restriction?: Restriction }

/** Why a token does not admit: the first reason that applies. */
export type SpendRefusal =
  | 'TOKEN_UNKNOWN'
  | 'TOKEN_WRONG_TYPE'
  | 'TOKEN_REVOKED'
  | 'TOKEN_EXPIRED'
  | 'ROLE_NOT_ALLOWED'
  | 'TOKEN_RESTRICTED'
  | 'TOKEN_USED_UP'

/** The restriction that a newcomer does not meet. */
export type Restriction = 'user' | 'allow-cidr' | 'allow-hostname'

/** Turns a host name pattern into one of LIKE: it escapes LIKE's special characters, then replaces * and ?. */
const LIKE_PATTERN = String.raw`replace(replace(regexp_replace(glob, '([\\%_])', '\\\1', 'g'), '*', '%'), '?', '_')`

// One statement, so that no two callers can both see the last use (Tailscale TS-2025-007, SPIRE 1.14.6 and headscale all
// checked first and consumed later).
//  token    finds the token and checks this newcomer against it. Only a signup has a person's name.
//  spent    records the key under the token, if the token may be spent by a new key. A key that is there already
//           gets its earlier node id, even if the other call committed after this one began.
//  counted  counts a new spend of a token with a limit. When two keys race for the last use, the second waits here for the
//           first, then violates tokens_uses_within_max, and its row in spent is rolled back.
//  earlier  finds the spend of a key that comes back after the token has expired or is used up.
// The last part writes a new spend to the audit.
const SPEND = `
  with token as (
    select id, bot_name, node_labels, max_uses, uses,
           (type = 'signup') = ($5::text is not null) as right_type,
           revoked_at is not null or type = 'static' and digest <> all ($8::bytea[]) as revoked,
           expires_at <= now() as expired,
           roles @> $2::text[] as role_allowed,
           case
             when user_name <> $5
               then 'user'
             when allow_cidrs <> '{}' and not $6::inet <<= any (allow_cidrs::inet[])
               then 'allow-cidr'
             when allow_hostnames <> '{}'
                  and not exists (select from unnest(allow_hostnames) as glob where lower($7::text) like ${LIKE_PATTERN})
               then 'allow-hostname'
           end as restriction
      from tokens
     where digest = $1),
  spent as (
    insert into spends (token_id, key_fingerprint, node_id)
    select id, $3, $4
      from token
     where right_type
       and not revoked
       and not expired
       and role_allowed
       and restriction is null
       and (max_uses is null or uses < max_uses)
    on conflict on constraint spends_pkey
      do update set spent_at = spends.spent_at
    returning token_id, node_id),
  counted as (
    update tokens
       set uses = tokens.uses + 1
      from spent
     where tokens.id = spent.token_id
       and tokens.max_uses is not null
       and spent.node_id = $4)
  select token.id as "tokenId", token.bot_name as "botName", token.node_labels as "nodeLabels",
         token.right_type as "rightType", token.revoked, token.expired, token.role_allowed as "roleAllowed",
         token.restriction,
         spent.node_id as "nodeId",
         earlier.node_id as "earlierNodeId",
         earlier.spent_at > now() - make_interval(secs => $11) as "withinRetryWindow",
         case when spent.node_id = $4 then record_audit(
           action => 'token.spend', actor => $9, remote_address => host($6::inet), token_id => spent.token_id,
           node_id => spent.node_id, details => $10::jsonb) end as "eventId"
    from token
    left join spent on spent.token_id = token.id
    left join spends earlier on earlier.token_id = token.id and earlier.key_fingerprint = $3`

/**
 * Spends a token on a key. All conditions and the record are one statement, so any number of callers on any number of
 * replicas spend it at most `max uses` times. The same key may repeat its spend and gets the same node id: at any time while
 * the token is live, and for half an hour after its spend if the token has since expired or been used up. A revoked token
 * admits no repeat, and a repeat must meet the restrictions again.
 */
export async function recordSpend(db: Db, configured: Configured, input: SpendInput): Promise<SpendResult> {
  const { digest, keyFingerprint, candidateNodeId, purpose, remoteAddress, actor } = input
  const join = 'roles' in purpose ? purpose : undefined
  const user = 'userName' in purpose ? purpose.userName : undefined
  const values = [
    digest,
    join?.roles ?? [],
    keyFingerprint,
    candidateNodeId,
    user ?? null,
    remoteAddress,
    join?.hostname ?? null,
    configured,
    actor,
    join === undefined ? { user } : { hostname: join.hostname, roles: join.roles },
    RETRY_WINDOW_SECONDS,
  ]
  const run = () => db.query({ name: 'spend-token', text: SPEND, values })
  const { rows } = await run().catch((error: unknown) => {
    // Another key got the last use while this call waited. A second run sees that.
    if (violates(error, 'tokens_uses_within_max')) return run()
    throw error
  })
  const row = rows[0] as SpendRow | undefined
  if (row === undefined) return { outcome: 'refused', reason: 'TOKEN_UNKNOWN' }
  const { tokenId, nodeLabels } = row
  const nodeId = row.nodeId ?? (mayRepeat(row) ? row.earlierNodeId : null)
  if (nodeId !== null) return { outcome: 'spent', tokenId, nodeId, nodeLabels, botName: row.botName ?? undefined }
  return { outcome: 'refused', tokenId, ...refusalOf(row) }
}

interface SpendRow {
  tokenId: string
  botName: string | null
  nodeLabels: Labels
  rightType: boolean
  revoked: boolean
  expired: boolean
  roleAllowed: boolean
  restriction: Restriction | null
  nodeId: string | null
  earlierNodeId: string | null
  withinRetryWindow: boolean | null
}

function mayRepeat({ withinRetryWindow, rightType, revoked, roleAllowed, restriction }: SpendRow): boolean {
  return withinRetryWindow === true && rightType && !revoked && roleAllowed && restriction === null
}

function refusalOf(row: SpendRow): { reason: SpendRefusal; restriction?: Restriction } {
  if (!row.rightType) return { reason: 'TOKEN_WRONG_TYPE' }
  if (row.revoked) return { reason: 'TOKEN_REVOKED' }
  if (row.expired) return { reason: 'TOKEN_EXPIRED' }
  if (!row.roleAllowed) return { reason: 'ROLE_NOT_ALLOWED' }
  if (row.restriction !== null) return { reason: 'TOKEN_RESTRICTED', restriction: row.restriction }
  return { reason: 'TOKEN_USED_UP' }
}
