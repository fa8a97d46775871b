import { recordAudit, recordRefused } from '@muster/audit'
import type { users } from '@muster/contracts'
import { parseMemberName } from '@muster/domain'
import { transaction } from '@muster/postgres'
import { memberOf, type UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { whyUnchanged } from './why-refused.ts'
import { endSignupTokens } from './signup-token.ts'
import { toUser } from './to-user.ts'
import { deleteUser, lockAdmins } from './store/admins.ts'

/**
 * Removes a person, but not the last admin. It takes effect at once, since every service checks on each call whether its
 * caller is still on the roll. Safe to repeat: notFound then says that it is done.
 */
export function removeUser(deps: Deps): UnaryHandler<users.RemoveUserRequest, users.RemoveUserResponse> {
  return async (request, context) => {
    const name = parseMemberName(request.name)
    const { spiffeId: actor } = memberOf(context.peer)
    const { remoteAddress } = context
    const attempt = { action: 'user.remove', actor, remoteAddress, details: { user: name } }
    const removed = await recordRefused(deps.refusals, attempt, () =>
      transaction(deps.pool, async (db) => {
        await lockAdmins(db)
        const user = await deleteUser(db, name)
        if (user === undefined) throw await whyUnchanged(db, name)
        await recordAudit(db, { ...attempt, outcome: 'ok', details: { user: name, roles: user.roles } })
        return user
      }),
    )
    await endSignupTokens(deps, { name }, context)
    return { user: toUser(removed) }
  }
}
