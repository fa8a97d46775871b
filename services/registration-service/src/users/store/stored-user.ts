import type { OperatorRole } from '@muster/domain'
import { BAN_COLUMNS, type BanRow, IS_BANNED, type StoredBan, withBan } from '../../bans/stored-ban.ts'

/**
 * The state of a person: not signed up yet, in a session, past its end, or locked out. During a session they can get
 * certificates.
 */
export type UserState = 'invited' | 'active' | 'expired' | 'locked'

/** A person as stored. */
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
  /** Undefined unless an admin has locked the person out. */
  lock: StoredBan | undefined
}

/** The state of a row of users: a UserState. */
export const USER_STATE = `
  case when ${IS_BANNED} then 'locked'
       when certificate_expires_at is null then 'invited'
       when session_expires_at > now() then 'active'
       else 'expired'
  end`

/** The columns of StoredUser. */
export const USER_COLUMNS = `
  name, roles, ${USER_STATE} as state, created_by as "createdBy", created_at as "createdAt", signed_up_at as "signedUpAt",
  last_seen_at as "lastSeenAt", session_expires_at as "sessionExpiresAt",
  certificate_expires_at as "certificateExpiresAt", ${BAN_COLUMNS}`

type Optional = 'signedUpAt' | 'lastSeenAt' | 'sessionExpiresAt' | 'certificateExpiresAt'
/** What a query of USER_COLUMNS returns. */
export type UserRow = Omit<StoredUser, Optional | 'lock'> & Record<Optional, Date | null> & BanRow

/** A row as a person, with undefined in place of null. */
export function toStoredUser(row: UserRow): StoredUser {
  const { ban: lock, ...rest } = withBan(row)
  return {
    ...rest,
    lock,
    signedUpAt: row.signedUpAt ?? undefined,
    lastSeenAt: row.lastSeenAt ?? undefined,
    sessionExpiresAt: row.sessionExpiresAt ?? undefined,
    certificateExpiresAt: row.certificateExpiresAt ?? undefined,
  }
}
