import type { OperatorRole } from '@muster/domain'
import type { Db } from '@muster/postgres'
import { IS_BANNED } from '../../bans/stored-ban.ts'

/** A person's session: their roles, and when it ends. */
export interface Session {
  roles: OperatorRole[]
  sessionExpiresAt: Date
}

/** A caller's name and key. The name is proved only if it is the key that this person signed up with. */
export interface KeyHolder {
  name: string
  keyFingerprint: Buffer
}

/**
 * The current roles of a caller. Stores, about once a minute, that the person was seen, and never waits for a lock to do so.
 * @returns undefined for a caller who is not a user now: removed, reset, signed up with another key, locked out, or
 * session over
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
           and session_expires_at > now()
           and not ${IS_BANNED}),
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

/** The session of a caller. @returns undefined for a caller who is not a user now */
export async function selectSession(db: Db, holder: KeyHolder): Promise<Session | undefined> {
  const { rows } = await db.query<Session>(
    `select roles, session_expires_at as "sessionExpiresAt"
       from users
      where name = $1
        and key_fingerprint = $2
        and session_expires_at > now()
        and not ${IS_BANNED}`,
    [holder.name, holder.keyFingerprint],
  )
  return rows[0]
}

/** How long a renewal takes to be paid off. */
export const RENEWAL_COSTS_SECONDS = 10
/** How many renewals may come at once: scripts that start together are no flood. */
export const RENEWALS_AT_ONCE = 128

/**
 * Charges a person for a renewal. Many renewals may come at once, then one in ten seconds: the generic cell rate algorithm
 * in one statement, which replicas share. @returns the session, 'too-soon' over the rate, undefined as `selectSession`
 */
export async function chargeRenewal(db: Db, holder: KeyHolder): Promise<Session | 'too-soon' | undefined> {
  const { rows } = await db.query<Session>(
    `update users
        set renewals_paid_until = greatest(renewals_paid_until, now()) + $3::int * interval '1 second'
      where name = $1
        and key_fingerprint = $2
        and session_expires_at > now()
        and not ${IS_BANNED}
        and coalesce(renewals_paid_until, now()) <= now() + ($4::int - 1) * $3::int * interval '1 second'
     returning roles, session_expires_at as "sessionExpiresAt"`,
    [holder.name, holder.keyFingerprint, RENEWAL_COSTS_SECONDS, RENEWALS_AT_ONCE],
  )
  if (rows[0] !== undefined) return rows[0]
  return (await selectSession(db, holder)) && 'too-soon'
}
