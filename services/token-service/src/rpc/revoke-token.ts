import type { token } from '@muster/contracts'
import { type AppError, refusal } from '@muster/domain'
import { memberOf, type UnaryHandler } from '@muster/rpc'
import { changeToken } from './change-token.ts'
import type { Deps } from '../deps.ts'
import { markRevoked, noSuchToken, tokenKeyOrValue } from '../store/token-by-key.ts'
import { toProto, type StoredToken } from '../store/tokens.ts'

/**
 * Revokes a token by id, name or value. From the commit on it admits nobody, on any replica; nodes that joined by it
 * stay. A static token is refused: it ends when it is taken out of the configuration.
 */
export function revokeToken(deps: Deps): UnaryHandler<token.RevokeTokenRequest, token.RevokeTokenResponse> {
  return async ({ idOrValue }, { peer, remoteAddress }) => {
    const actor = memberOf(peer).spiffeId
    const key = tokenKeyOrValue(idOrValue, deps.config.MUSTER_PEPPER_FILE)
    const revoked = await changeToken(deps, {
      key,
      attempt: { action: 'token.revoke', actor, remoteAddress },
      apply: (db, configured) => markRevoked(db, configured, key),
      whyNot,
    })
    return { token: toProto(revoked) }
  }
}

function whyNot(found: StoredToken | undefined): AppError {
  if (found === undefined) return noSuchToken()
  // A repeated removal ends in notFound too, and the message says that the token has ended.
  if (found.state === 'revoked') return refusal('TOKEN_ENDED', 'the token has been revoked already')
  if (found.type !== 'static') return refusal('TOKEN_ENDED', 'the token has expired, so there is nothing to remove')
  const message = `the token is static; remove it where it is defined: ${found.createdBy}`
  return refusal('TOKEN_STATIC', message)
}
