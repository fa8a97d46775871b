import type { token } from '@muster/contracts'
import { AppError, isTransient, reasonInfo, receivedError, tokenIdOf } from '@muster/domain'
import type { CallContext } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { tooManyRefused } from './refused-attempts.ts'

/** What the audit will say of an attempt to come in, if it is refused; whoever serves it adds what is learnt on the way. */
export interface AttemptRecord {
  action: string
  /** At first the id that the token value carries, which proves nothing. */
  tokenId: string | undefined
  nodeId?: string
  details: Record<string, unknown>
}

/**
 * Serves an attempt to come in by a token, a join or a signup, or to come back by a key. A refusal is put on record with
 * its real reason and counted for its source; a source with too many is told only that, and how long to wait.
 *
 * A good token of the generated form always passes, whatever others behind the same address do: nobody guesses one, so
 * nothing is asked beforehand; nor without a token, since nobody guesses a key. Tokens of an operator's own choosing can
 * be guessed, so those wait with their source.
 */
export async function attempt<T>(
  { refusals, refusedAttempts }: Pick<Deps, 'refusals' | 'refusedAttempts'>,
  { action, token: value, context }: { action: string; token: string; context: CallContext },
  serve: (record: AttemptRecord) => Promise<T>,
): Promise<T> {
  const { remoteAddress } = context
  const record: AttemptRecord = { action, tokenId: tokenIdOf(value), details: {} }
  const isRefusal = (error: unknown): error is AppError =>
    error instanceof AppError && error.kind !== 'internal' && !isTransient(error)
  const note = ({ reason, kind }: AppError) =>
    refusals.record({ ...record, actor: 'anonymous', remoteAddress, reason: reason ?? kind })

  if (value !== '' && record.tokenId === undefined) {
    const waitMs = await refusedAttempts.wait(remoteAddress)
    if (waitMs > 0) {
      const tooMany = tooManyRefused(waitMs)
      await note(tooMany)
      throw tooMany
    }
  }
  try {
    return await serve(record)
  } catch (error) {
    if (!isRefusal(error)) throw error
    await note(error)
    const waitMs = await refusedAttempts.hit(remoteAddress)
    throw waitMs > 0 ? tooManyRefused(waitMs) : error
  }
}

/**
 * Spends the token of an attempt. @throws AppError with the reason of a refusal; what is for the record alone goes there
 */
export async function spendToken(
  { tokens }: Pick<Deps, 'tokens'>,
  request: token.SpendTokenRequest,
  record: AttemptRecord,
  context: CallContext,
): Promise<token.SpentToken> {
  const { result } = await tokens.spendToken(request, { parent: context })
  if (result === undefined) throw new AppError('internal', 'token-service answered without a result')
  const { tokenId } = result.value
  if (tokenId !== '') record.tokenId = tokenId
  if (result.$case === 'spent') return result.value
  const { reason, restriction } = result.value
  if (restriction !== '') record.details['restriction'] = restriction
  throw refusedToken(reason, request.purpose?.$case ?? 'join')
}

type Purpose = 'join' | 'signup'

function refusedToken(reason: string, purpose: Purpose): AppError {
  const message = MESSAGES[reason] ?? 'the token was refused'
  // A newer token-service may have a reason that is not in the table here.
  const kind = reasonInfo(reason)?.kind ?? 'failedPrecondition'
  return receivedError(kind, typeof message === 'string' ? message : message[purpose], { reason })
}

const MESSAGES: Record<string, string | Record<Purpose, string>> = {
  // The one thing that someone without a genuine token can learn.
  TOKEN_UNKNOWN: 'the token is not known',
  TOKEN_EXPIRED: 'the token has expired',
  TOKEN_REVOKED: 'the token has been revoked',
  TOKEN_USED_UP: 'the token has been used as often as it may be',
  ROLE_NOT_ALLOWED: 'the token does not admit these roles',
  TOKEN_WRONG_TYPE: {
    join: "the token is for a person to sign up with 'musterctl login'; a machine needs one of 'musterctl tokens add'",
    signup: "the token is for machines to join with; a person needs one of 'musterctl users add'",
  },
  TOKEN_RESTRICTED: {
    join: "the token does not admit this machine; an operator sees why with 'musterctl audit ls'",
    signup: "the token does not admit this person; an operator sees why with 'musterctl audit ls'",
  },
}
