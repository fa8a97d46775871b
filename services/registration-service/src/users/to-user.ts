import { users } from '@muster/contracts'
import type { StoredUser, UserState } from './store/stored-user.ts'

const STATES: Record<UserState, users.UserState> = {
  invited: users.UserState.INVITED,
  active: users.UserState.ACTIVE,
  expired: users.UserState.EXPIRED,
  locked: users.UserState.LOCKED,
}

/** Converts a person to the contract's message. */
export function toUser({ state, ...user }: StoredUser): users.User {
  return { ...user, state: STATES[state] }
}
