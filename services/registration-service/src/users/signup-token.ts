import { AppError } from '@muster/domain'
import { type CallContext, memberOf } from '@muster/rpc'
import type { Deps } from '../deps.ts'

/** A signup token as token-service made it. */
export interface SignupToken {
  id: string
  value: string
}

/**
 * Makes a signup token for a person, then commits the change that puts it on the person's row. The call to token-service
 * comes first because it may hang, and a transaction that waits for it holds a connection and its locks.
 *
 * A token admits a person only while it is the one on the person's row, so a failure between any two steps is safe:
 *  1 make    a token that never gets onto a row admits nobody, and expires
 *  2 commit  if it fails, the new token is revoked; the one on the row before still works
 *  3 revoke  the token that the commit replaced admits nobody already; revoking it takes it off the list
 */
export async function withSignupToken<T>(
  deps: Pick<Deps, 'tokens'>,
  { name, ttlSeconds }: { name: string; ttlSeconds: number },
  context: CallContext,
  commit: (token: SignupToken) => Promise<{ result: T; replacedTokenId?: string | undefined }>,
): Promise<T> {
  const createdBy = memberOf(context.peer).spiffeId
  const made = await deps.tokens.createSignupToken({ userName: name, ttlSeconds, createdBy }, { parent: context })
  if (made.token === undefined) throw new AppError('internal', 'token-service answered without a token')
  const { id } = made.token
  try {
    const { result, replacedTokenId } = await commit({ id, value: made.value })
    if (replacedTokenId !== undefined) await endSignupTokens(deps, { name, tokenId: replacedTokenId }, context)
    return result
  } catch (error) {
    await endSignupTokens(deps, { name, tokenId: id }, context)
    throw error
  }
}

/**
 * Asks token-service to revoke one signup token of a person, or all of them. Never rejects: no row names these tokens any
 * more, so they admit nobody, and a token that stays is on the list until it expires.
 */
export async function endSignupTokens(
  { tokens }: Pick<Deps, 'tokens'>,
  { name, tokenId = '' }: { name: string; tokenId?: string },
  context: CallContext,
): Promise<void> {
  const request = { userName: name, revokedBy: memberOf(context.peer).spiffeId, tokenId }
  await tokens.revokeSignupTokens(request, { parent: context }).catch((error: unknown) => {
    context.log.warn({ err: error, user: name, tokenId }, 'could not revoke signup tokens; they admit nobody')
  })
}
