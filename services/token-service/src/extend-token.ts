import { recordAudit } from '@muster/audit'
import type { token } from '@muster/contracts'
import { AppError } from '@muster/domain'
import { transaction } from '@muster/postgres'
import { memberOf, type UnaryHandler } from '@muster/rpc'
import type { Deps } from './deps.ts'
import { extendToken as extend, noSuchToken, selectToken, tokenKey } from './token-by-key.ts'
import { toProto, type StoredToken } from './tokens.ts'
import { parseTtl } from './request-fields.ts'

/** Moves the expiry of a join token that can still admit someone to so long from now. Safe to repeat. */
export function extendToken({
  config,
  pool,
  staticTokens,
}: Deps): UnaryHandler<token.ExtendTokenRequest, token.ExtendTokenResponse> {
  return async (request, { peer, remoteAddress }) => {
    const actor = memberOf(peer).spiffeId
    const key = tokenKey(request.idOrName)
    const ttlSeconds = parseTtl(request.ttlSeconds, config.MUSTER_TOKEN_MAX_TTL)
    const { configured } = staticTokens
    const extended = await transaction(pool, async (db) => {
      const found = await extend(db, configured, key, ttlSeconds)
      if (found === undefined) throw whyNot(await selectToken(db, configured, key))
      const details = { ttlSeconds }
      await recordAudit(db, { action: 'token.extend', actor, remoteAddress, outcome: 'ok', tokenId: found.id, details })
      return found
    })
    return { token: toProto(extended) }
  }
}

function whyNot(found: StoredToken | undefined): AppError {
  if (found === undefined) return noSuchToken()
  if (found.type === 'static') return failed(`a static token never expires; it is defined in ${found.createdBy}`)
  if (found.type === 'signup') {
    return failed(
      `a signup token cannot be extended; reset the user instead: 'musterctl users reset ${found.userName}'`,
    )
  }
  if (found.state === 'revoked') return failed('the token has been removed; make a new one')
  if (found.state === 'usedUp') return failed('the token has been used as often as it may be; make a new one')
  return failed('the token has expired; make a new one')
}

function failed(message: string): AppError {
  return new AppError('failedPrecondition', message)
}
