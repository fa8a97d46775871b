import type { Db } from '@muster/postgres'

/** A node that asks to recover, and the certificate that it shows. */
export interface Recovering {
  id: string
  /** When the certificate that it shows ended. */
  shownExpiresAt: Date
}

/**
 * Whether this is the time for a node to recover: `late` if its last certificate ended before the recovery window, `soon` if
 * it got one a moment ago. The one that it shows may be later than the last on record, if the database was restored.
 */
export async function timeToRecover(
  db: Db,
  { id, shownExpiresAt }: Recovering,
  windowSeconds: number,
): Promise<'good' | 'late' | 'soon'> {
  const { rows } = await db.query<{ isLate: boolean; isSoon: boolean }>(
    `select greatest(certificate_expires_at, $2) <= now() - $3::bigint * interval '1 second' as "isLate",
            certificate_issued_at > now() - interval '5 seconds' as "isSoon"
       from nodes
      where id = $1
        and joined_at is not null`,
    [id, shownExpiresAt, windowSeconds],
  )
  return rows[0]?.isLate !== false ? 'late' : rows[0].isSoon ? 'soon' : 'good'
}

/**
 * Stores this challenge for a node, unless there is one that was made a moment ago: a caller who asks for another must not make
 * the first one useless. @returns the challenge that counts; undefined if the node is not on the roll
 */
export async function challengeNode(db: Db, id: string, challenge: Buffer): Promise<Buffer | undefined> {
  const { rows } = await db.query<{ challenge: Buffer }>(
    `update nodes
        set recovery_challenge =
              case when recovery_challenge_at > now() - interval '30 seconds' then recovery_challenge else $2 end,
            recovery_challenge_at =
              case when recovery_challenge_at > now() - interval '30 seconds' then recovery_challenge_at else now() end
      where id = $1
        and joined_at is not null
     returning recovery_challenge as challenge`,
    [id, challenge],
  )
  return rows[0]?.challenge
}

/** Takes the challenge of a node, once. @returns undefined if it has none that is younger than a minute */
export async function takeChallenge(db: Db, id: string): Promise<Buffer | undefined> {
  const { rows } = await db.query<{ challenge: Buffer }>(
    `with found as (
       select id, recovery_challenge as challenge
         from nodes
        where id = $1
          and recovery_challenge_at > now() - interval '1 minute'
          for update),
     taken as (
       update nodes
          set recovery_challenge = null,
              recovery_challenge_at = null
         from found
        where nodes.id = found.id
       returning nodes.id)
     select challenge
       from found
       join taken using (id)`,
    [id],
  )
  return rows[0]?.challenge
}
