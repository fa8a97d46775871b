import type { Labels } from '@muster/domain'
import { type Db, violates } from '@muster/postgres'
import { REPEAT_COSTS_SECONDS, REPEATS_AT_ONCE, SPEND } from './spend-statement.ts'
import type { Configured } from './tokens.ts'

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
export type SpendResult = SuccessfulSpend | RefusedSpend

/** The key has spent the token, now or before. */
export interface SuccessfulSpend {
  outcome: 'spent'
  tokenId: string
  nodeId: string
  botName: string | undefined
  nodeLabels: Labels
  /** Patterns of host names; empty for any. */
  allowHostnames: string[]
  /** When this key spent the token for the first time. */
  spentAt: Date
}

/** A refusal, without a token id if the token is unknown. */
export interface RefusedSpend {
  outcome: 'refused'
  reason: SpendRefusal
  tokenId?: string
  restriction?: Restriction
  /** With SPENT_JUST_NOW. */
  retryAfterMs?: number
}

/** Why a token does not admit: the first reason that applies. */
export type SpendRefusal =
  | 'TOKEN_UNKNOWN'
  | 'TOKEN_WRONG_TYPE'
  | 'TOKEN_REVOKED'
  | 'TOKEN_EXPIRED'
  | 'ROLE_NOT_ALLOWED'
  | 'TOKEN_RESTRICTED'
  | 'TOKEN_USED_UP'
  | 'SPENT_JUST_NOW'

/** The restriction that a newcomer does not meet. */
export type Restriction = 'user' | 'allow-cidr' | 'allow-hostname'

/**
 * Spends a token on a key. All conditions and the record are one statement, so any number of callers on any number of
 * replicas spend it at most `max uses` times. The same key may repeat its spend and gets the same node id: at any time while
 * the token is live, and for half an hour after its spend if the token has since expired or been used up. A revoked token
 * admits no repeat, and a repeat must meet the restrictions again. A repeat over the rate is refused with SPENT_JUST_NOW.
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
  ]
  const run = () => db.query({ name: 'spend-token', text: SPEND, values })
  const { rows } = await run().catch((error: unknown) => {
    // Another key got the last use while this call waited. A second run sees that.
    if (violates(error, 'tokens_uses_within_max')) return run()
    throw error
  })
  const row = rows[0] as SpendRow | undefined
  if (row === undefined) return { outcome: 'refused', reason: 'TOKEN_UNKNOWN' }
  const { tokenId, nodeId, nodeLabels, allowHostnames, spentAt } = row
  const botName = row.botName ?? undefined
  if (nodeId !== null) return { outcome: 'spent', tokenId, nodeId, nodeLabels, botName, allowHostnames, spentAt }
  return { outcome: 'refused', tokenId, ...refusalOf(row) }
}

interface SpendRow {
  tokenId: string
  botName: string | null
  nodeLabels: Labels
  allowHostnames: string[]
  spentAt: Date
  rightType: boolean
  revoked: boolean
  expired: boolean
  roleAllowed: boolean
  restriction: Restriction | null
  /** Null if the key could neither spend the token nor repeat its spend. */
  nodeId: string | null
  /** True if only the rate can keep the key from a spend or a repeat. */
  mayRepeat: boolean
  /** How far ahead the repeats of this key are paid for; null before the first. */
  paidForSeconds: number | null
}

function refusalOf(row: SpendRow): Pick<RefusedSpend, 'reason' | 'restriction' | 'retryAfterMs'> {
  if (row.mayRepeat) return { reason: 'SPENT_JUST_NOW', retryAfterMs: waitMs(row) }
  if (!row.rightType) return { reason: 'TOKEN_WRONG_TYPE' }
  if (row.revoked) return { reason: 'TOKEN_REVOKED' }
  if (row.expired) return { reason: 'TOKEN_EXPIRED' }
  if (!row.roleAllowed) return { reason: 'ROLE_NOT_ALLOWED' }
  if (row.restriction !== null) return { reason: 'TOKEN_RESTRICTED', restriction: row.restriction }
  return { reason: 'TOKEN_USED_UP' }
}

/** How long until the next repeat is paid for. Other calls may be charged in the meantime, so it may take longer. */
function waitMs({ paidForSeconds }: SpendRow): number {
  const seconds = (paidForSeconds ?? 0) - (REPEATS_AT_ONCE - 1) * REPEAT_COSTS_SECONDS
  return Math.ceil(Math.min(Math.max(seconds, 1), REPEAT_COSTS_SECONDS) * 1_000)
}
