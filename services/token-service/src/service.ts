import { token } from '@muster/contracts'
import { bindService, operators, services, type BoundService } from '@muster/rpc'
import { createToken } from './create-token.ts'
import type { Deps } from './deps.ts'
import { listTokens } from './list-tokens.ts'
import { revokeToken } from './revoke-token.ts'
import { spendToken } from './spend-token.ts'

/** Every RPC of token-service: who may call it, and what serves it. */
export function tokenService(deps: Deps): BoundService {
  return bindService(token.TokenServiceService, {
    createToken: { callers: operators('operator'), handle: createToken(deps) },
    listTokens: { callers: operators('viewer'), handle: listTokens(deps) },
    revokeToken: { callers: operators('operator'), handle: revokeToken(deps) },
    spendToken: { callers: services('registration-service'), handle: spendToken(deps) },
  })
}
