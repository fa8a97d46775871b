import type { token } from '@muster/contracts'
import { invalid, isTokenId, parseMemberName, printable } from '@muster/domain'
import { transaction } from '@muster/postgres'
import type { UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { parseActor } from './request-fields.ts'
import { markSignupTokensRevoked } from '../store/signup-tokens.ts'

/** Revokes one signup token of a person, or all of them. Safe to repeat. */
export function revokeSignupTokens({
  pool,
}: Deps): UnaryHandler<token.RevokeSignupTokensRequest, token.RevokeSignupTokensResponse> {
  return async (request, { log }) => {
    const userName = parseMemberName(request.userName, 'user_name')
    const revokedBy = parseActor(request.revokedBy, 'revoked_by')
    const tokenId = request.tokenId === '' ? undefined : parseTokenId(request.tokenId)
    const tokenIds = await transaction(pool, (db) => markSignupTokensRevoked(db, { userName, revokedBy, tokenId }))
    log.info({ event: 'token.revoked', tokenIds, user: userName }, 'revoked signup tokens')
    return {}
  }
}

function parseTokenId(value: string): string {
  if (!isTokenId(value)) throw invalid('token_id', `${printable(value)} is not a token id`)
  return value
}
