import type { users } from '@muster/contracts'
import { AppError, BREAK_GLASS } from '@muster/domain'
import { keyFingerprint } from '@muster/pki'
import { memberOf, type UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { unknownUser } from './check-operator.ts'
import { signPerson } from './sign-person.ts'
import { recordUserRenewal, selectSession } from './users.ts'

/**
 * Issues the calling person a new certificate for the key of the connection, with the roles that they have now, until
 * their session ends. Safe to repeat.
 */
export function renewUser(deps: Deps): UnaryHandler<users.RenewUserRequest, users.RenewUserResponse> {
  return async (_request, context) => {
    const { name, roles, publicKeyDer, spiffeId: actor } = memberOf(context.peer)
    const { remoteAddress } = context
    const refuse = async (error: AppError) => {
      const { reason } = error
      await deps.refusals.record({ action: 'user.renew', actor, remoteAddress, reason, details: { user: name } })
      return error
    }
    if (roles.includes(BREAK_GLASS)) throw await refuse(noSession())
    const holder = { name, keyFingerprint: keyFingerprint(publicKeyDer) }
    const session = await selectSession(deps.pool, holder)
    if (session === undefined) throw await refuse(unknownUser(name))
    const signed = await signPerson(deps, { name, publicKeyDer, ...session }, context)
    const { serial, expiresAt } = signed.certificate
    const noted = await recordUserRenewal(deps.pool, { ...holder, serial, expiresAt, actor, remoteAddress })
    if (!noted) throw await refuse(unknownUser(name))
    return signed
  }
}

function noSession(): AppError {
  const message = "a break-glass identity is not renewed; make another with 'ca-service issue-admin'"
  return new AppError('failedPrecondition', message, { reason: 'NO_SESSION' })
}
