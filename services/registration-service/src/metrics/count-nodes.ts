import type { Db } from '@muster/postgres'
import { IS_BANNED } from '../bans/stored-ban.ts'

/** How many nodes are on the roll, by what Postgres knows of them. */
export interface NodeCounts {
  banned: number
  expired: number
  /** Have never sent a heartbeat. */
  pending: number
  /** Online or offline; Redis knows which. */
  present: number
}

/** Counts the roll. Reads it whole, so ask rarely: 100,000 nodes take some 20 ms. */
export async function countNodes(db: Db): Promise<NodeCounts> {
  const { rows } = await db.query<NodeCounts>(
    `with standing as (
       select case
                when ${IS_BANNED} then 'banned'
                when certificate_expires_at <= now() then 'expired'
                when first_seen_at is null then 'pending'
                else 'present'
              end as status
         from nodes
        where joined_at is not null)
     select count(*) filter (where status = 'banned')::int as banned,
            count(*) filter (where status = 'expired')::int as expired,
            count(*) filter (where status = 'pending')::int as pending,
            count(*) filter (where status = 'present')::int as present
       from standing`,
  )
  return rows[0]!
}
