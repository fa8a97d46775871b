import { recordRefused } from '@muster/audit'
import type { users } from '@muster/contracts'
import { BREAK_GLASS, parseMemberName, refusal } from '@muster/domain'
import { transaction } from '@muster/postgres'
import { memberOf, type UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { lockAdmins, NOT_THE_LAST_ADMIN } from '../users/store/admins.ts'
import { selectUser } from '../users/store/people.ts'
import { toUser } from '../users/to-user.ts'
import { noSuchUser } from '../users/user-errors.ts'
import { whyUnchanged } from '../users/why-refused.ts'
import { banChange, parseBan } from './ban-request.ts'
import { banAction, liftBan, placeBan, unbanAction } from './ban-store.ts'

/**
 * Locks a person out, but neither the caller nor the last admin. It takes effect at once, since every service checks on each
 * call, and twice a second on streams, whether its caller is still on the roll. Safe to repeat: the newest lock counts.
 */
export function lockUser(deps: Deps): UnaryHandler<users.LockUserRequest, users.LockUserResponse> {
  return async (request, context) => {
    const name = parseMemberName(request.name)
    const ban = parseBan(banChange(name, context), request)
    const caller = memberOf(context.peer)
    const { actor, remoteAddress } = ban
    const attempt = { action: banAction('user'), actor, remoteAddress, details: { user: name } }
    const locked = await recordRefused(deps.refusals, attempt, async () => {
      // The name of a break-glass identity says nothing about a person of that name.
      if (caller.name === name && !caller.roles.includes(BREAK_GLASS)) throw ownLock()
      return transaction(deps.pool, async (db) => {
        await lockAdmins(db)
        if (!(await placeBan(db, 'user', ban, NOT_THE_LAST_ADMIN))) throw await whyUnchanged(db, name)
        return selectUser(db, name)
      })
    })
    return { user: toUser(locked!) }
  }
}

/** Lifts the lock of a person. Safe to repeat. @throws notFound if there is no such person */
export function unlockUser(deps: Deps): UnaryHandler<users.UnlockUserRequest, users.UnlockUserResponse> {
  return async (request, context) => {
    const name = parseMemberName(request.name)
    const change = banChange(name, context)
    const { actor, remoteAddress } = change
    const attempt = { action: unbanAction('user'), actor, remoteAddress, details: { user: name } }
    const unlocked = await recordRefused(deps.refusals, attempt, async () => {
      await liftBan(deps.pool, 'user', change)
      const user = await selectUser(deps.pool, name)
      if (user === undefined) throw noSuchUser(name)
      return user
    })
    return { user: toUser(unlocked) }
  }
}

function ownLock() {
  return refusal('OWN_LOCK', 'admins cannot lock themselves out; ask another admin', { field: 'name' })
}
