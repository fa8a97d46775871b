import { recordAudit, recordRefused } from '@muster/audit'
import type { users } from '@muster/contracts'
import { BREAK_GLASS, invalid, parseMemberName } from '@muster/domain'
import { transaction } from '@muster/postgres'
import { memberOf, type UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { lastAdmin } from './last-admin.ts'
import { makeSignupToken } from './signup-token.ts'
import { noSuchUser, toUser } from './to-user.ts'
import { endIdentity, isLastAdmin, lockAdmins } from './users.ts'

/**
 * Ends a person's identity and makes a token to sign up anew. All of it or nothing: while token-service does not answer,
 * the identity stays; RemoveUser ends it without asking anyone. The last admin is reset by break-glass only. Safe to
 * repeat: the last token made is the one that works.
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
    return recordRefused(deps.refusals, attempt, () =>
      transaction(deps.pool, async (db) => {
        await lockAdmins(db)
        // Until they have signed up anew there would be no admin; whoever has break-glass can put that right.
        if (!isBreakGlass && (await isLastAdmin(db, name))) throw lastAdmin(name)
        const user = await endIdentity(db, name)
        if (user === undefined) throw noSuchUser(name)
        const token = await makeSignupToken(deps, db, { name, ttlSeconds }, context)
        await recordAudit(db, { ...attempt, outcome: 'ok', tokenId: token.id })
        return { user: toUser(user), signupToken: token.value, signupTokenId: token.id }
      }),
    )
  }
}
