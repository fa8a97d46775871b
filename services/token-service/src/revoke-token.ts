import { recordAudit } from '@muster/audit'
import type { token } from '@muster/contracts'
import { AppError, isTokenId, tokenDigest } from '@muster/domain'
import { transaction } from '@muster/postgres'
import { memberOf, type UnaryHandler } from '@muster/rpc'
import type { Deps } from './deps.ts'
import { revokeToken as revoke, toProto } from './tokens.ts'

/** Revokes a token by id or by value. From the commit on it admits nobody, on any replica; nodes already in stay in. */
export function revokeToken({ config, pool }: Deps): UnaryHandler<token.RevokeTokenRequest, token.RevokeTokenResponse> {
  return async ({ idOrValue }, { peer, remoteAddress }) => {
    const actor = memberOf(peer).spiffeId
    const key = isTokenId(idOrValue) ? { id: idOrValue } : { digest: tokenDigest(config.MUSTER_PEPPER_FILE, idOrValue) }
    const revoked = await transaction(pool, async (db) => {
      const found = await revoke(db, key)
      if (found === undefined)
        throw new AppError('notFound', "no such token; 'musterctl tokens ls' shows those there are")
      await recordAudit(db, { action: 'token.revoke', actor, remoteAddress, outcome: 'ok', tokenId: found.id })
      return found
    })
    return { token: toProto(revoked) }
  }
}
