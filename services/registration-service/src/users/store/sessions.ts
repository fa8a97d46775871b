import type { OperatorRole } from '@muster/domain'
import type { Db } from '@muster/postgres'

/** Whose session it is, and until when. */
export interface Session {
  roles: OperatorRole[]
  sessionExpiresAt: Date
}

/** Somebody who shows a key: they are who they say only if it is the key that they signed up with. */
export interface KeyHolder {
  name: string
  keyFingerprint: Buffer
}

/**
 * The roles that somebody has now, or undefined for nobody of this cluster: removed, reset, signed up anew with another
 * key, or their session is over. Notes, about once a minute, that they were seen; never waits for a lock to do so.
 */
export async function selectCurrentRoles(db: Db, holder: KeyHolder): Promise<OperatorRole[] | undefined> {
  const { rows } = await db.query<{ roles: OperatorRole[] }>({
    name: 'select-current-roles',
    text: `
      with person as (
        select name, roles
          from users
         where name = $1
           and key_fingerprint = $2
           and session_expires_at > now()),
      stale as (
        select users.name
          from users
          join person on person.name = users.name
         where last_seen_at is null
            or last_seen_at < now() - interval '1 minute'
           for update of users skip locked),
      seen as (
        update users
           set last_seen_at = date_trunc('milliseconds', now())
          from stale
         where users.name = stale.name)
      select roles
        from person`,
    values: [holder.name, holder.keyFingerprint],
  })
  return rows[0]?.roles
}

/** The session behind a key; undefined as for the roles. */
export async function selectSession(db: Db, holder: KeyHolder): Promise<Session | undefined> {
  const { rows } = await db.query<Session>(
    `select roles, session_expires_at as "sessionExpiresAt"
       from users
      where name = $1
        and key_fingerprint = $2
        and session_expires_at > now()`,
    [holder.name, holder.keyFingerprint],
  )
  return rows[0]
}

/** What a renewal costs. */
export const RENEWAL_COSTS_SECONDS = 10
/** How many renewals may come at once: a night's scripts that all come back together are no flood. */
export const RENEWALS_AT_ONCE = 128

/**
 * Lets a person renew, and charges for it; the session as above. Many may come at once, then one for each ten seconds:
 * the generic cell rate algorithm in one statement, so replicas share it. @returns 'too-soon' for one too many
 */
export async function chargeRenewal(db: Db, holder: KeyHolder): Promise<Session | 'too-soon' | undefined> {
  const { rows } = await db.query<Session>(
    `update users
        set renewals_paid_until = greatest(renewals_paid_until, now()) + $3::int * interval '1 second'
      where name = $1
        and key_fingerprint = $2
        and session_expires_at > now()
        and coalesce(renewals_paid_until, now()) <= now() + ($4::int - 1) * $3::int * interval '1 second'
     returning roles, session_expires_at as "sessionExpiresAt"`,
    [holder.name, holder.keyFingerprint, RENEWAL_COSTS_SECONDS, RENEWALS_AT_ONCE],
  )
  if (rows[0] !== undefined) return rows[0]
  return (await selectSession(db, holder)) && 'too-soon'
}
