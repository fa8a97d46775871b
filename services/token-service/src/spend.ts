import { violates, type Db } from '@muster/postgres'

/** How long the same key may spend the same token again, and get the same node id: lost replies, crashed agents. */
export const RETRY_WINDOW_SECONDS = 30 * 60

export interface SpendInput {
  digest: Buffer
  roles: readonly string[]
  /** SHA-256 of the new node's SubjectPublicKeyInfo. */
  keyFingerprint: Buffer
  /** Becomes the node id if this key has not spent this token before. */
  candidateNodeId: string
}

export type SpendResult =
  | { outcome: 'spent'; tokenId: string; nodeId: string; expiresAt: Date }
  | { outcome: 'refused'; reason: 'TOKEN_UNKNOWN' }
  | { outcome: 'refused'; reason: SpendRefusal; tokenId: string }

export type SpendRefusal = 'TOKEN_EXPIRED' | 'TOKEN_REVOKED' | 'TOKEN_USED_UP' | 'ROLE_NOT_ALLOWED'

// One statement, so that no two callers can both see the last use (Tailscale TS-2025-007, SPIRE 1.14.6 and headscale all
// checked first and consumed later).
//  spent    records the key under the token, if the token may be spent by a new key. A key that is there already is
//           answered with the node id it got before, even if the other call committed after this one began.
//  counted  counts a new spend of a token with a limit. Of two keys that race for the last use, the second waits here for
//           the first, counts one too many, breaks tokens_uses_within_max, and with it goes its row in spent.
//  earlier  finds the spend of a key that comes back after the token has ended or is used up.
const SPEND = `
  with token as (
    select id, roles, expires_at, revoked_at, max_uses, uses,
           roles @> $2::text[] as role_allowed,
           expires_at <= now() as expired
      from tokens
     where digest = $1),
  spent as (
    insert into spends (token_id, key_fingerprint, node_id)
    select id, $3, $4
      from token
     where revoked_at is null
       and not expired
       and role_allowed
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
  select token.id as "tokenId", token.expires_at as "expiresAt", token.expired,
         token.revoked_at is not null as revoked, token.role_allowed as "roleAllowed",
         spent.node_id as "nodeId",
         earlier.node_id as "earlierNodeId",
         earlier.spent_at > now() - make_interval(secs => $5) as "withinRetryWindow"
    from token
    left join spent on spent.token_id = token.id
    left join spends earlier on earlier.token_id = token.id and earlier.key_fingerprint = $3`

/**
 * Spends a token on a key: all conditions and the record in one statement, so any number of callers on any number of
 * replicas spend it at most `max uses` times. The same key may repeat it and gets the same node id: at any time while the
 * token lives, and for half an hour after its spend if the token has since expired or been used up. Revocation stops
 * that too.
 */
export async function spendToken(db: Db, input: SpendInput): Promise<SpendResult> {
  const values = [input.digest, input.roles, input.keyFingerprint, input.candidateNodeId, RETRY_WINDOW_SECONDS]
  const run = () => db.query({ name: 'spend-token', text: SPEND, values })
  const { rows } = await run().catch((error: unknown) => {
    // The last use went to another key while we waited; run again, which now sees it gone.
    if (violates(error, 'tokens_uses_within_max')) return run()
    throw error
  })
  const row = rows[0] as SpendRow | undefined
  if (row === undefined) return { outcome: 'refused', reason: 'TOKEN_UNKNOWN' }
  const { tokenId, expiresAt } = row
  const nodeId = row.nodeId ?? (mayRepeat(row) ? row.earlierNodeId : null)
  if (nodeId !== null) return { outcome: 'spent', tokenId, nodeId, expiresAt }
  return { outcome: 'refused', reason: refusalOf(row), tokenId }
}

interface SpendRow {
  tokenId: string
  expiresAt: Date
  expired: boolean
  revoked: boolean
  roleAllowed: boolean
  nodeId: string | null
  earlierNodeId: string | null
  withinRetryWindow: boolean | null
}

function mayRepeat(row: SpendRow): boolean {
  return row.withinRetryWindow === true && !row.revoked && row.roleAllowed
}

function refusalOf(row: SpendRow): SpendRefusal {
  if (row.revoked) return 'TOKEN_REVOKED'
  if (row.expired) return 'TOKEN_EXPIRED'
  if (!row.roleAllowed) return 'ROLE_NOT_ALLOWED'
  return 'TOKEN_USED_UP'
}
