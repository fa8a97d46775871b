import { recordAudit, recordRefused } from '@muster/audit'
import type { users } from '@muster/contracts'
import { AppError, parseMemberName, parseOperatorRoles } from '@muster/domain'
import { transaction } from '@muster/postgres'
import { memberOf, type UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { makeSignupToken } from './signup-token.ts'
import { toUser } from './to-user.ts'
import { insertUser } from './users.ts'

/**
 * Enters a person and, if asked, makes the token to sign up with. All of it or nothing: while token-service does not
 * answer, nobody is entered. Repeating it does no harm: alreadyExists then says that the person is there.
 */
export function createUser(deps: Deps): UnaryHandler<users.CreateUserRequest, users.CreateUserResponse> {
  return async (request, context) => {
    const name = parseMemberName(request.name)
    const roles = parseOperatorRoles(request.roles)
    const ttlSeconds = request.signupTtlSeconds
    const { spiffeId: actor } = memberOf(context.peer)
    const { remoteAddress } = context
    const attempt = { action: 'user.create', actor, remoteAddress, details: { user: name, roles } }
    return recordRefused(deps.refusals, attempt, () =>
      transaction(deps.pool, async (db) => {
        const user = await insertUser(db, { name, roles, createdBy: actor })
        if (user === undefined) throw userExists(name)
        const token = ttlSeconds > 0 ? await makeSignupToken(deps, db, { name, ttlSeconds }, context) : NO_TOKEN
        await recordAudit(db, { ...attempt, outcome: 'ok', tokenId: token.id || undefined })
        return { user: toUser(user), signupToken: token.value, signupTokenId: token.id }
      }),
    )
  }
}

const NO_TOKEN = { id: '', value: '' }

function userExists(name: string): AppError {
  const message = `there is a user ${name} already; 'musterctl users reset ${name}' makes a new signup command`
  return new AppError('alreadyExists', message, { reason: 'USER_EXISTS', field: 'name' })
}
