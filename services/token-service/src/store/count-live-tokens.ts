import type { Db } from '@muster/postgres'

/** A type of token, and how many of it admit somebody now. */
export interface LiveTokens {
  type: string
  count: number
}

/** Counts the tokens that admit somebody now, by type. Reads those that have not expired, by the index of expiries. */
export async function countLiveTokens(db: Db): Promise<LiveTokens[]> {
  const { rows } = await db.query<LiveTokens>(
    `select type, count(*)::int as count
       from tokens
      where expires_at > now()
        and revoked_at is null
        and (max_uses is null or uses < max_uses)
      group by type`,
  )
  return rows
}
