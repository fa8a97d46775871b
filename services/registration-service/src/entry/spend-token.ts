import type { token } from '@muster/contracts'
import { AppError, reasonInfo, receivedError } from '@muster/domain'
import type { CallContext } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { addFacts } from './attempt-facts.ts'

/**
 * Spends the token of an attempt. Safe to repeat with the same key.
 * @throws AppError with the reason of a refusal; the token's id and the restriction that failed go to the audit alone
 */
export async function spendToken(
  { tokens }: Pick<Deps, 'tokens'>,
  request: token.SpendTokenRequest,
  context: CallContext,
): Promise<token.SpentToken> {
  const { result } = await tokens.spendToken(request, { parent: context })
  if (result === undefined) throw new AppError('internal', 'token-service answered without a result')
  if (result.$case === 'spent') return result.value
  const { tokenId, restriction } = result.value
  throw addFacts(refusedToken(result.value, request.purpose?.$case ?? 'join'), {
    ...(tokenId !== '' && { tokenId }),
    ...(restriction !== '' && { details: { restriction } }),
  })
}

type Purpose = 'join' | 'signup'

function refusedToken({ reason, retryAfterMs }: token.RefusedToken, purpose: Purpose): AppError {
  const message = MESSAGES[reason] ?? 'the token was refused'
  // A newer token-service may have a reason that is not in the table here.
  const kind = reasonInfo(reason)?.kind ?? 'failedPrecondition'
  const details = retryAfterMs > 0 ? { reason, retryAfterMs } : { reason }
  return receivedError(kind, typeof message === 'string' ? message : message[purpose], details)
}

const MESSAGES: Record<string, string | Record<Purpose, string>> = {
  // All that a caller without a genuine token learns.
  TOKEN_UNKNOWN: 'the token is not known',
  TOKEN_EXPIRED: 'the token has expired',
  TOKEN_REVOKED: 'the token has been revoked',
  TOKEN_USED_UP: 'the token has reached its use limit',
  ROLE_NOT_ALLOWED: 'the token does not admit these roles',
  SPENT_JUST_NOW: 'this key has used the token too often just now; try again later',
  TOKEN_WRONG_TYPE: {
    join: "the token is for a person to sign up with 'musterctl login'; a machine needs one of 'musterctl tokens add'",
    signup: "the token is for machines to join with; a person needs one of 'musterctl users add'",
  },
  TOKEN_RESTRICTED: {
    join: "the token does not admit this machine; an operator sees why with 'musterctl audit ls'",
    signup: "the token does not admit this person; an operator sees why with 'musterctl audit ls'",
  },
}
