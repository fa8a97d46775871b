import { type OperatorRole, refusal } from '@muster/domain'
import { type Db, violates } from '@muster/postgres'

/** How far a person has come: not signed up yet, in a session, or past its end. Whoever is in one gets a certificate when they need it. */
export type UserState = 'invited' | 'active' | 'expired'

/** A person, as stored. */
export interface StoredUser {
  name: string
  roles: OperatorRole[]
  state: UserState
  createdBy: string
  createdAt: Date
  signedUpAt: Date | undefined
  lastSeenAt: Date | undefined
  sessionExpiresAt: Date | undefined
  certificateExpiresAt: Date | undefined
}

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

const STATE = `
  case when certificate_expires_at is null then 'invited'
       when session_expires_at > now() then 'active'
       else 'expired'
  end`

const COLUMNS = `
  name, roles, ${STATE} as state, created_by as "createdBy", created_at as "createdAt", signed_up_at as "signedUpAt",
  last_seen_at as "lastSeenAt", session_expires_at as "sessionExpiresAt",
  certificate_expires_at as "certificateExpiresAt"`

/** Adds a person who has not signed up. @returns undefined if the name is taken */
export async function insertUser(
  db: Db,
  user: { name: string; roles: readonly OperatorRole[]; createdBy: string; signupTokenId?: string | undefined },
): Promise<StoredUser | undefined> {
  const { rows } = await db.query<Row>(
    `insert into users (name, roles, created_by, signup_token_id)
     values ($1, $2, $3, $4)
     on conflict on constraint users_pkey do nothing
     returning ${COLUMNS}`,
    [user.name, user.roles, user.createdBy, user.signupTokenId ?? null],
  )
  return rows[0] && toStoredUser(rows[0])
}

/** A page of the people by name. */
export async function selectUsers(
  db: Db,
  { size, after }: { size: number; after: string | undefined },
): Promise<StoredUser[]> {
  const { rows } = await db.query<Row>(
    `select ${COLUMNS}
       from users
      where name > $1
      order by name
      limit $2`,
    [after ?? '', size],
  )
  return rows.map(toStoredUser)
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

/**
 * Gives a person the key they signed up with, and starts their session, with the audit event in the same statement.
 * Repeated with the same token and key it changes nothing.
 * @returns undefined if the token is not the one for this person, or another key was first
 * @throws failedPrecondition if the key is somebody else's
 */
export async function bindKey(
  db: Db,
  signup: KeyHolder & { tokenId: string; sessionTtlSeconds: number; remoteAddress: string },
): Promise<Session | undefined> {
  try {
    const { rows } = await db.query<Session>(
      `with person as (
         select name, key_fingerprint is null as is_new
           from users
          where name = $1
            and signup_token_id = $2
            and (key_fingerprint is null or key_fingerprint = $3)
            for update),
       bound as (
         update users
            set key_fingerprint = $3,
                signed_up_at = coalesce(signed_up_at, date_trunc('milliseconds', now())),
                session_expires_at =
                  coalesce(session_expires_at, date_trunc('milliseconds', now()) + $4::int * interval '1 second')
           from person
          where users.name = person.name
         returning users.name, users.roles, users.session_expires_at, person.is_new)
       select roles, session_expires_at as "sessionExpiresAt",
              case when is_new then record_audit(
                action => 'user.signup', actor => 'anonymous', remote_address => $5, token_id => $2,
                details => jsonb_build_object('user', name, 'roles', roles)) end as "eventId"
         from bound`,
      [signup.name, signup.tokenId, signup.keyFingerprint, signup.sessionTtlSeconds, signup.remoteAddress],
    )
    const [bound] = rows
    return bound && { roles: bound.roles, sessionExpiresAt: bound.sessionExpiresAt }
  } catch (error) {
    if (!violates(error, 'users_one_person_a_key')) throw error
    throw refusal('KEY_USED_BEFORE', 'the key belongs to another user of this cluster; make a new one')
  }
}

/** A certificate that a person was given for their key. */
export interface NewCertificate extends KeyHolder {
  serial: string
  expiresAt: Date
}

/** One that follows another, and what the audit says of it. */
export interface RenewedCertificate extends NewCertificate {
  /** Who asked, as the audit names them. */
  actor: string
  remoteAddress: string
  /** Whether the last certificate had ended. */
  hasReturned: boolean
}

const NOTE_CERTIFICATE = `
  update users
     set certificate_serial = $3,
         certificate_expires_at = $4,
         last_seen_at = date_trunc('milliseconds', now())
   where name = $1
     and key_fingerprint = $2`

/** Notes the certificate of a signup. @returns false if the key is the person's no more */
export async function noteFirstCertificate(db: Db, certificate: NewCertificate): Promise<boolean> {
  const { name, keyFingerprint, serial, expiresAt } = certificate
  const { rowCount } = await db.query(NOTE_CERTIFICATE, [name, keyFingerprint, serial, expiresAt])
  return rowCount === 1
}

/** Notes the certificate of a renewal, with its audit event in the same statement. @returns false if the key is the person's no more */
export async function recordUserRenewal(db: Db, renewal: RenewedCertificate): Promise<boolean> {
  const { name, keyFingerprint, serial, expiresAt, actor, remoteAddress, hasReturned } = renewal
  const { rowCount } = await db.query(
    `with noted as (
       ${NOTE_CERTIFICATE}
       returning name, roles)
     select record_audit(
              action => 'user.renew', actor => $5, remote_address => $6,
              details => jsonb_build_object('user', name, 'roles', roles, 'serial', $3::text) || $7::jsonb)
       from noted`,
    [name, keyFingerprint, serial, expiresAt, actor, remoteAddress, hasReturned ? { returned: true } : {}],
  )
  return rowCount === 1
}

/**
 * Ends a person's identity: their key no longer counts, and this signup token is the one that admits them.
 * @returns undefined for an unknown name; otherwise also the token that was replaced, if there was one
 */
export async function resetIdentity(
  db: Db,
  name: string,
  signupTokenId: string,
): Promise<{ user: StoredUser; replacedTokenId: string | undefined } | undefined> {
  const { rows } = await db.query<Row & { replacedTokenId: string | null }>(
    `with before as (
       select name as name_before, signup_token_id as token_before
         from users
        where name = $1
          for update)
     update users
        set signup_token_id = $2,
            key_fingerprint = null,
            signed_up_at = null,
            session_expires_at = null,
            certificate_serial = null,
            certificate_expires_at = null
       from before
      where name = name_before
     returning ${COLUMNS}, token_before as "replacedTokenId"`,
    [name, signupTokenId],
  )
  if (rows[0] === undefined) return undefined
  const { replacedTokenId, ...row } = rows[0]
  return { user: toStoredUser(row), replacedTokenId: replacedTokenId ?? undefined }
}

/**
 * Makes removals and changes of roles in this transaction take turns, on every replica, so that each sees what the one
 * before it left of the admins.
 */
export async function lockAdmins(db: Db): Promise<void> {
  await db.query(`select pg_advisory_xact_lock(hashtext('muster.admins'))`)
}

/** Whether this one is an admin in a session, and the only such. Under `lockAdmins`. */
const NOT_THE_LAST_ADMIN = `
  not ('admin' = any (roles) and ${STATE} = 'active' and not exists (
         select 1
           from (select name as other, ${STATE} as state, roles from users) as others
          where other <> users.name
            and 'admin' = any (others.roles)
            and others.state = 'active'))`

/** Removes a person unless it is the last admin. @returns undefined if nobody was removed */
export async function deleteUser(db: Db, name: string): Promise<StoredUser | undefined> {
  const { rows } = await db.query<Row>(
    `delete from users
      where name = $1
        and ${NOT_THE_LAST_ADMIN}
     returning ${COLUMNS}`,
    [name],
  )
  return rows[0] && toStoredUser(rows[0])
}

/** Whether a person is the last admin in a session. Under `lockAdmins`. */
export async function isLastAdmin(db: Db, name: string): Promise<boolean> {
  const { rowCount } = await db.query(`select from users where name = $1 and not ${NOT_THE_LAST_ADMIN}`, [name])
  return rowCount === 1
}

/** Gives a person other roles unless that would demote the last admin. @returns undefined if nothing was changed */
export async function updateRoles(
  db: Db,
  name: string,
  roles: readonly OperatorRole[],
): Promise<StoredUser | undefined> {
  const { rows } = await db.query<Row>(
    `update users
        set roles = $2
      where name = $1
        and ('admin' = any ($2) or ${NOT_THE_LAST_ADMIN})
     returning ${COLUMNS}`,
    [name, roles],
  )
  return rows[0] && toStoredUser(rows[0])
}

/** One person, or undefined. */
export async function selectUser(db: Db, name: string): Promise<StoredUser | undefined> {
  const { rows } = await db.query<Row>(`select ${COLUMNS} from users where name = $1`, [name])
  return rows[0] && toStoredUser(rows[0])
}

type Optional = 'signedUpAt' | 'lastSeenAt' | 'sessionExpiresAt' | 'certificateExpiresAt'
type Row = Omit<StoredUser, Optional> & Record<Optional, Date | null>

function toStoredUser(row: Row): StoredUser {
  return {
    ...row,
    signedUpAt: row.signedUpAt ?? undefined,
    lastSeenAt: row.lastSeenAt ?? undefined,
    sessionExpiresAt: row.sessionExpiresAt ?? undefined,
    certificateExpiresAt: row.certificateExpiresAt ?? undefined,
  }
}
