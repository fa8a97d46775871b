import { recordAudit, recordRefused, type Attempt } from '@muster/audit'
import type { token } from '@muster/contracts'
import { AppError } from '@muster/domain'
import { transaction } from '@muster/postgres'
import { memberOf, type UnaryHandler } from '@muster/rpc'
import type { Deps } from './deps.ts'
import { noSuchToken, revokeToken as revoke, selectToken, tokenKeyOrValue } from './token-by-key.ts'
import { toProto, type StoredToken } from './tokens.ts'

/**
 * Revokes a token by id, name or value. From the commit on it admits nobody, on any replica; nodes already in stay in.
 * A static one is refused: it ends when it is taken out of the configuration.
 */
export function revokeToken(deps: Deps): UnaryHandler<token.RevokeTokenRequest, token.RevokeTokenResponse> {
  const { config, pool, refusals, staticTokens } = deps
  return async ({ idOrValue }, { peer, remoteAddress }) => {
    const actor = memberOf(peer).spiffeId
    const key = tokenKeyOrValue(idOrValue, config.MUSTER_PEPPER_FILE)
    const { configured } = staticTokens
    const attempt: Attempt = { action: 'token.revoke', actor, remoteAddress }
    const revoked = await recordRefused(refusals, attempt, () =>
      transaction(pool, async (db) => {
        const found = await revoke(db, configured, key)
        const token = found ?? (await selectToken(db, configured, key))
        attempt.tokenId = token?.id
        if (found === undefined) throw whyNot(token)
        await recordAudit(db, { ...attempt, outcome: 'ok' })
        return found
      }),
    )
    return { token: toProto(revoked) }
  }
}

function whyNot(found: StoredToken | undefined): AppError {
  if (found === undefined) return noSuchToken()
  // Not there any more either, so that a removal may be repeated, and says that it is done.
  if (found.state === 'revoked') return new AppError('notFound', 'the token has been revoked already')
  if (found.type !== 'static') return new AppError('notFound', 'the token has expired, so there is nothing to remove')
  const message = `the token is static; remove it where it is defined: ${found.createdBy}`
  return new AppError('failedPrecondition', message, { reason: 'TOKEN_STATIC' })
}
