import type { OperatorRole } from '@muster/domain'

/** The state of a person: not signed up yet, in a session, or past its end. During a session they can get certificates. */
export type UserState = 'invited' | 'active' | 'expired'

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
}

/** The state of a row of users: a UserState. */
export const USER_STATE = `
  case when certificate_expires_at is null then 'invited'
       when session_expires_at > now() then 'active'
       else 'expired'
  end`

/** The columns of StoredUser. */
export const USER_COLUMNS = `
  name, roles, ${USER_STATE} as state, created_by as "createdBy", created_at as "createdAt", signed_up_at as "signedUpAt",
  last_seen_at as "lastSeenAt", session_expires_at as "sessionExpiresAt",
  certificate_expires_at as "certificateExpiresAt"`

type Optional = 'signedUpAt' | 'lastSeenAt' | 'sessionExpiresAt' | 'certificateExpiresAt'
/** What a query of USER_COLUMNS returns. */
export type UserRow = Omit<StoredUser, Optional> & Record<Optional, Date | null>

/** A row as a person, with undefined in place of null. */
export function toStoredUser(row: UserRow): StoredUser {
  return {
    ...row,
    signedUpAt: row.signedUpAt ?? undefined,
    lastSeenAt: row.lastSeenAt ?? undefined,
    sessionExpiresAt: row.sessionExpiresAt ?? undefined,
    certificateExpiresAt: row.certificateExpiresAt ?? undefined,
  }
}
