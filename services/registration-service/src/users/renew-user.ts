import type { users } from '@muster/contracts'
import { AppError, BREAK_GLASS, refusal } from '@muster/domain'
import { memberOf, type UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { renewPerson } from './renew-person.ts'

/**
 * Issues the calling person a new certificate for the key of the connection, with their current roles, until
 * their session ends. Safe to repeat, within the rate of renewals.
 */
export function renewUser(deps: Deps): UnaryHandler<users.RenewUserRequest, users.RenewUserResponse> {
  return async (_request, context) => {
    const { name, roles, publicKeyDer, spiffeId: actor } = memberOf(context.peer)
    try {
      if (roles.includes(BREAK_GLASS)) throw noSession()
      return await renewPerson(deps, { name, publicKeyDer, actor, hasReturned: false }, context)
    } catch (error) {
      if (error instanceof AppError && REFUSALS.includes(error.reason)) {
        const { remoteAddress } = context
        const { reason } = error
        await deps.refusals.record({ action: 'user.renew', actor, remoteAddress, reason, details: { user: name } })
      }
      throw error
    }
  }
}

const REFUSALS: readonly (string | undefined)[] = ['NO_SESSION', 'USER_UNKNOWN', 'USER_LOCKED', 'RENEWED_JUST_NOW']

function noSession(): AppError {
  const message = "a break-glass identity cannot be renewed; make another with 'ca-service issue-admin'"
  return refusal('NO_SESSION', message)
}
