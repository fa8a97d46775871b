import { refusal } from '@muster/domain'
import { type Db, violates } from '@muster/postgres'
import { IS_BANNED } from '../../bans/stored-ban.ts'
import type { KeyHolder, Session } from './sessions.ts'
import { USER_COLUMNS, type UserRow, type StoredUser, toStoredUser } from './stored-user.ts'

/**
 * Binds a key to the person who signs up with it, and starts their session, with the audit event in the same statement. A
 * repeat with the same token and key changes nothing.
 * @returns undefined if the token is not this person's, if another key was bound first, or if the person is locked out
 * @throws KEY_USED_BEFORE if the key belongs to another person
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
            and not ${IS_BANNED}
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

/**
 * Ends a person's identity: their key no longer counts, and this signup token is the one that admits them.
 * @returns undefined for an unknown name; otherwise also the token that was replaced, if there was one
 */
export async function resetIdentity(
  db: Db,
  name: string,
  signupTokenId: string,
): Promise<{ user: StoredUser; replacedTokenId: string | undefined } | undefined> {
  const { rows } = await db.query<UserRow & { replacedTokenId: string | null }>(
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
     returning ${USER_COLUMNS}, token_before as "replacedTokenId"`,
    [name, signupTokenId],
  )
  if (rows[0] === undefined) return undefined
  const { replacedTokenId, ...row } = rows[0]
  return { user: toStoredUser(row), replacedTokenId: replacedTokenId ?? undefined }
}
