import { recordAudit, recordRefused } from '@muster/audit'
import type { users } from '@muster/contracts'
import { invalid, parseMemberName } from '@muster/domain'
import { transaction } from '@muster/postgres'
import { memberOf, type UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { makeSignupToken } from './signup-token.ts'
import { noSuchUser, toUser } from './to-user.ts'
import { endIdentity } from './users.ts'

/**
 * Ends a person's identity and makes a token to sign up anew. All of it or nothing: while token-service does not answer,
 * the identity stays; RemoveUser ends it without asking anyone. Safe to repeat: the last token made is the one that works.
 */
export function resetUser(deps: Deps): UnaryHandler<users.ResetUserRequest, users.ResetUserResponse> {
  return async (request, context) => {
    const name = parseMemberName(request.name)
    const ttlSeconds = request.signupTtlSeconds
    if (ttlSeconds === 0) throw invalid('signup_ttl_seconds', 'must be longer than zero')
    const { spiffeId: actor } = memberOf(context.peer)
    const { remoteAddress } = context
    const attempt = { action: 'user.reset', actor, remoteAddress, details: { user: name } }
    return recordRefused(deps.refusals, attempt, () =>
      transaction(deps.pool, async (db) => {
        const user = await endIdentity(db, name)
        if (user === undefined) throw noSuchUser(name)
        const token = await makeSignupToken(deps, db, { name, ttlSeconds }, context)
        await recordAudit(db, { ...attempt, outcome: 'ok', tokenId: token.id })
        return { user: toUser(user), signupToken: token.value, signupTokenId: token.id }
      }),
    )
  }
}
