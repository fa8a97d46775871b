import type { token } from '@muster/contracts'
import { parseMemberName } from '@muster/domain'
import { transaction } from '@muster/postgres'
import type { UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { parseActor } from './request-fields.ts'
import { revokeSignupTokens as revoke } from '../store/signup-tokens.ts'

/** Ends the signup tokens of a person. Safe to repeat. */
export function revokeSignupTokens({
  pool,
}: Deps): UnaryHandler<token.RevokeSignupTokensRequest, token.RevokeSignupTokensResponse> {
  return async (request, { log }) => {
    const userName = parseMemberName(request.userName, 'user_name')
    const revokedBy = parseActor(request.revokedBy, 'revoked_by')
    const tokenIds = await transaction(pool, (db) => revoke(db, { userName, revokedBy }))
    log.info({ event: 'token.revoked', tokenIds, user: userName }, 'ended signup tokens')
    return {}
  }
}
