import type { token } from '@muster/contracts'
import { type AppError, refusal } from '@muster/domain'
import { memberOf, type UnaryHandler } from '@muster/rpc'
import { changeToken } from './change-token.ts'
import type { Deps } from '../deps.ts'
import { moveExpiry, noSuchToken, tokenKey } from '../store/token-by-key.ts'
import { toProto, type StoredToken } from '../store/tokens.ts'
import { parseTtl } from './request-fields.ts'

/** Sets a new expiry, counted from now, for a join token that can still admit someone. Safe to repeat. */
export function extendToken(deps: Deps): UnaryHandler<token.ExtendTokenRequest, token.ExtendTokenResponse> {
  return async (request, { peer, remoteAddress }) => {
    const actor = memberOf(peer).spiffeId
    const key = tokenKey(request.idOrName)
    const ttlSeconds = parseTtl(request.ttlSeconds, deps.config.MUSTER_TOKEN_MAX_TTL)
    const extended = await changeToken(deps, {
      key,
      attempt: { action: 'token.extend', actor, remoteAddress, details: { ttlSeconds } },
      apply: (db, configured) => moveExpiry(db, configured, key, ttlSeconds),
      whyNot,
    })
    return { token: toProto(extended) }
  }
}

function whyNot(found: StoredToken | undefined): AppError {
  if (found === undefined) return noSuchToken()
  if (found.type === 'static') {
    return refusal('TOKEN_STATIC', `a static token never expires; it is defined in ${found.createdBy}`)
  }
  if (found.type === 'signup') {
    const instead = `reset the user instead: 'musterctl users reset ${found.userName}'`
    return refusal('TOKEN_WRONG_TYPE', `a signup token cannot be extended; ${instead}`)
  }
  if (found.state === 'revoked') return refusal('TOKEN_REVOKED', 'the token has been revoked')
  if (found.state === 'usedUp') {
    return refusal('TOKEN_USED_UP', 'the token has reached its use limit')
  }
  return refusal('TOKEN_EXPIRED', 'the token has expired')
}
