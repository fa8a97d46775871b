import { token } from '@muster/contracts'
import { bindService, type BoundService, operators, services } from '@muster/rpc'
import { createSignupToken } from './create-signup-token.ts'
import { createToken } from './create-token.ts'
import type { Deps } from '../deps.ts'
import { extendToken } from './extend-token.ts'
import { getToken } from './get-token.ts'
import { listTokens } from './list-tokens.ts'
import { revokeSignupTokens } from './revoke-signup-tokens.ts'
import { revokeToken } from './revoke-token.ts'
import { spendToken } from './spend-token.ts'

/** Every RPC of token-service: who may call it, and which handler serves it. */
export function tokenService(deps: Deps): BoundService {
  return bindService(token.TokenServiceService, {
    createToken: { callers: operators('operator'), handle: createToken(deps) },
    getToken: { callers: operators('viewer'), handle: getToken(deps) },
    listTokens: { callers: operators('viewer'), handle: listTokens(deps) },
    extendToken: { callers: operators('operator'), handle: extendToken(deps) },
    revokeToken: { callers: operators('operator'), handle: revokeToken(deps) },
    spendToken: { callers: services('registration-service'), handle: spendToken(deps) },
    createSignupToken: { callers: services('registration-service'), handle: createSignupToken(deps) },
    revokeSignupTokens: { callers: services('registration-service'), handle: revokeSignupTokens(deps) },
  })
}
