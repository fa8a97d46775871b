import { users } from '@muster/contracts'
import { type AppError, refusal } from '@muster/domain'
import type { StoredUser, UserState } from './users.ts'

const STATES: Record<UserState, users.UserState> = {
  invited: users.UserState.INVITED,
  active: users.UserState.ACTIVE,
  expired: users.UserState.EXPIRED,
}

/** A person as operators see them. */
export function toUser({ state, ...user }: StoredUser): users.User {
  return { ...user, state: STATES[state] }
}

/** The error for a name that nobody has. */
export function noSuchUser(name: string): AppError {
  return refusal('USER_NOT_FOUND', `there is no user ${name}`, { field: 'name' })
}
