import { recordAudit, recordRefused } from '@muster/audit'
import type { users } from '@muster/contracts'
import { type AppError, parseNewMemberName, parseOperatorRoles, refusal } from '@muster/domain'
import { transaction } from '@muster/postgres'
import { memberOf, type UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { type SignupToken, withSignupToken } from './signup-token.ts'
import { toUser } from './to-user.ts'
import { insertUser, selectUser } from './store/people.ts'

/**
 * Adds a person and, if asked, makes the token to sign up with. All or nothing: while token-service does not answer,
 * the person is not added. Safe to repeat: alreadyExists then says that the person exists.
 */
export function createUser(deps: Deps): UnaryHandler<users.CreateUserRequest, users.CreateUserResponse> {
  return async (request, context) => {
    const name = parseNewMemberName(request.name)
    const roles = parseOperatorRoles(request.roles)
    const ttlSeconds = request.signupTtlSeconds
    const { spiffeId: actor } = memberOf(context.peer)
    const { remoteAddress } = context
    const attempt = { action: 'user.create', actor, remoteAddress, details: { user: name, roles } }
    const add = (token: SignupToken | undefined) =>
      transaction(deps.pool, async (db) => {
        const user = await insertUser(db, { name, roles, createdBy: actor, signupTokenId: token?.id })
        if (user === undefined) throw userExists(name)
        await recordAudit(db, { ...attempt, outcome: 'ok', tokenId: token?.id })
        return { user: toUser(user), signupToken: token?.value ?? '', signupTokenId: token?.id ?? '' }
      })
    return recordRefused(deps.refusals, attempt, async () => {
      if (ttlSeconds === 0) return add(undefined)
      // The insert decides; looking first saves a token that would only be revoked.
      if ((await selectUser(deps.pool, name)) !== undefined) throw userExists(name)
      return withSignupToken(deps, { name, ttlSeconds }, context, async (token) => ({ result: await add(token) }))
    })
  }
}

function userExists(name: string): AppError {
  const message = `user ${name} already exists; 'musterctl users reset ${name}' makes a new signup command`
  return refusal('USER_EXISTS', message, { field: 'name' })
}
