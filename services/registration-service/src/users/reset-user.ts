import { recordAudit, recordRefused } from '@muster/audit'
import type { users } from '@muster/contracts'
import { BREAK_GLASS, invalid, parseMemberName } from '@muster/domain'
import { type Db, transaction } from '@muster/postgres'
import { memberOf, type UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { withSignupToken } from './signup-token.ts'
import { toUser } from './to-user.ts'
import { lastAdmin, noSuchUser } from './user-errors.ts'
import { isLastAdmin, lockAdmins } from './store/admins.ts'
import { resetIdentity } from './store/identities.ts'
import { selectUser } from './store/people.ts'

/**
 * Ends a person's identity and makes a token to sign up again. All or nothing: while token-service does not answer, the
 * identity stays; RemoveUser ends it without token-service. Only break-glass resets the last admin. Safe to repeat: the
 * token of the last reset is the one that works.
 */
export function resetUser(deps: Deps): UnaryHandler<users.ResetUserRequest, users.ResetUserResponse> {
  return async (request, context) => {
    const name = parseMemberName(request.name)
    const ttlSeconds = request.signupTtlSeconds
    if (ttlSeconds === 0) throw invalid('signup_ttl_seconds', 'must be longer than zero')
    const { spiffeId: actor, roles } = memberOf(context.peer)
    const isBreakGlass = roles.includes(BREAK_GLASS)
    const { remoteAddress } = context
    const attempt = { action: 'user.reset', actor, remoteAddress, details: { user: name } }
    // Until the person has signed up again there would be no admin; only break-glass could repair that.
    const checkMayReset = async (db: Db) => {
      if (!isBreakGlass && (await isLastAdmin(db, name))) throw lastAdmin(name)
    }
    return recordRefused(deps.refusals, attempt, async () => {
      // The transaction decides; looking first saves a token that would only be revoked.
      if ((await selectUser(deps.pool, name)) === undefined) throw noSuchUser(name)
      await checkMayReset(deps.pool)
      return withSignupToken(deps, { name, ttlSeconds }, context, (token) =>
        transaction(deps.pool, async (db) => {
          await lockAdmins(db)
          await checkMayReset(db)
          const reset = await resetIdentity(db, name, token.id)
          if (reset === undefined) throw noSuchUser(name)
          await recordAudit(db, { ...attempt, outcome: 'ok', tokenId: token.id })
          const result = { user: toUser(reset.user), signupToken: token.value, signupTokenId: token.id }
          return { result, replacedTokenId: reset.replacedTokenId }
        }),
      )
    })
  }
}
