import { type AppError, refusal } from '@muster/domain'

/** The error for a name that no user has. */
export function noSuchUser(name: string): AppError {
  return refusal('USER_NOT_FOUND', `there is no user ${name}`, { field: 'name' })
}

/**
 * The error for a caller whose certificate is genuine but who is not a user now: removed, reset, signed up again with
 * another key, or past the end of the session.
 */
export function unknownUser(name: string): AppError {
  const message = `you are no longer a user of this cluster, or you signed up again elsewhere; ask an admin for 'musterctl users reset ${name}', or for 'musterctl users add ${name}' if you were removed`
  return refusal('USER_UNKNOWN', message)
}

/** The error for a change that would leave the cluster without an admin. */
export function lastAdmin(name: string): AppError {
  const message = `${name} is the last admin; make another user an admin first, or use 'ca-service issue-admin'`
  return refusal('LAST_ADMIN', message, { field: 'name' })
}
