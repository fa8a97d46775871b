import { recordAudit } from '@muster/audit'
import type { Db } from '@muster/postgres'

/** The person whose signup tokens are revoked, and the admin who revokes them. */
export interface SignupRevocation {
  userName: string
  /** SPIFFE id of the admin. */
  revokedBy: string
  /** Only this token; undefined for all of the person. */
  tokenId: string | undefined
}

/**
 * Revokes signup tokens of a person, with an audit event for each. Used and expired tokens are revoked too, because their
 * key could repeat its spend for a while. Call it in a transaction. @returns the ids of those that were not revoked before
 */
export async function markSignupTokensRevoked(
  db: Db,
  { userName, revokedBy, tokenId }: SignupRevocation,
): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>(
    `update tokens
        set revoked_at = now()
      where user_name = $1
        and ($2::text is null or id = $2)
        and revoked_at is null
     returning id`,
    [userName, tokenId ?? null],
  )
  for (const { id } of rows) {
    const details = { user: userName }
    await recordAudit(db, { action: 'token.revoke', actor: revokedBy, outcome: 'ok', tokenId: id, details })
  }
  return rows.map(({ id }) => id)
}
