import { recordAudit, recordRefused } from '@muster/audit'
import type { users } from '@muster/contracts'
import { parseMemberName, parseOperatorRoles } from '@muster/domain'
import { transaction } from '@muster/postgres'
import { memberOf, type UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { whyUnchanged } from './why-refused.ts'
import { toUser } from './to-user.ts'
import { noSuchUser } from './user-errors.ts'
import { lockAdmins, updateRoles } from './store/admins.ts'
import { selectUser } from './store/people.ts'

/**
 * Changes a person's roles, but does not demote the last admin. A call needs a role both on the roll and in the certificate:
 * a removed role is lost with the next call, and an added role works from the next certificate on. Safe to repeat.
 */
export function updateUser(deps: Deps): UnaryHandler<users.UpdateUserRequest, users.UpdateUserResponse> {
  return async (request, context) => {
    const name = parseMemberName(request.name)
    const roles = parseOperatorRoles(request.roles)
    const { spiffeId: actor } = memberOf(context.peer)
    const { remoteAddress } = context
    const attempt = { action: 'user.update', actor, remoteAddress, details: { user: name } }
    return recordRefused(deps.refusals, attempt, () =>
      transaction(deps.pool, async (db) => {
        await lockAdmins(db)
        const before = await selectUser(db, name)
        if (before === undefined) throw noSuchUser(name)
        if (before.roles.join() === roles.join()) return { user: toUser(before) }
        const user = await updateRoles(db, name, roles)
        if (user === undefined) throw await whyUnchanged(db, name)
        await recordAudit(db, { ...attempt, outcome: 'ok', details: { user: name, from: before.roles, to: roles } })
        return { user: toUser(user) }
      }),
    )
  }
}
