import type { token } from '@muster/contracts'
import type { UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { noSuchToken, selectToken, tokenKey } from '../store/token-by-key.ts'
import { toProto } from '../store/tokens.ts'

/** One token of any type and state, by id or name. */
export function getToken({ pool, staticTokens }: Deps): UnaryHandler<token.GetTokenRequest, token.GetTokenResponse> {
  return async ({ idOrName }) => {
    const found = await selectToken(pool, staticTokens.configured, tokenKey(idOrName))
    if (found === undefined) throw noSuchToken()
    return { token: toProto(found) }
  }
}
