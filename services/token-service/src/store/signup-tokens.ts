import { recordAudit } from '@muster/audit'
import type { Db } from '@muster/postgres'

/** Who ends the signup tokens of whom. */
export interface SignupRevocation {
  userName: string
  /** SPIFFE id of the admin. */
  revokedBy: string
}

/**
 * Revokes what signup tokens a person has, with an audit event for each: also those that are used up or expired, since
 * their key could repeat its spend for a while. In a transaction, which holds off others for the same person.
 */
export async function revokeSignupTokens(db: Db, { userName, revokedBy }: SignupRevocation): Promise<string[]> {
  // Without it, two that make the person's first token at once would both find none to revoke.
  await db.query(`select pg_advisory_xact_lock(hashtextextended('signup ' || $1, 0))`, [userName])
  const { rows } = await db.query<{ id: string }>(
    `update tokens
        set revoked_at = now()
      where user_name = $1
        and revoked_at is null
     returning id`,
    [userName],
  )
  for (const { id } of rows) {
    const details = { user: userName }
    await recordAudit(db, { action: 'token.revoke', actor: revokedBy, outcome: 'ok', tokenId: id, details })
  }
  return rows.map(({ id }) => id)
}
