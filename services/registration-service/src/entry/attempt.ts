import { AppError, isServerFault, isTransient, tokenIdOf } from '@muster/domain'
import type { CallContext } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { factsOf } from './attempt-facts.ts'
import { tooManyRefused } from './refused-attempts.ts'

/** Which attempt it is: the action that the audit names, and the token value, empty for a person who comes back by a key. */
export interface Attempt {
  action: string
  token: string
  context: CallContext
}

/**
 * Serves an attempt to come in by a token (a join or a signup), or to come back by a key. A refusal goes to the audit with
 * its real reason and with the facts that `serve` learnt (see `withFacts`), and counts for the caller's address. A caller
 * whose address has too many refusals learns only that, and how long to wait.
 *
 * A good token of the generated form always passes, whatever others behind the same address do: nobody can guess one, so
 * the limit is not checked first. The same holds without a token, since nobody can guess a key. Custom tokens can be
 * guessed, so an attempt with one waits while its address is over the limit.
 */
export async function attempt<T>(
  { refusals, refusedAttempts }: Pick<Deps, 'refusals' | 'refusedAttempts'>,
  { action, token, context }: Attempt,
  serve: () => Promise<T>,
): Promise<T> {
  const { remoteAddress } = context
  // The id in the token's value proves nothing: a stranger can name any token.
  const claimedTokenId = tokenIdOf(token)
  const record = async (refused: AppError, facts: object = {}) => {
    const reason = refused.reason ?? refused.kind
    const event = { action, actor: 'anonymous', remoteAddress, tokenId: claimedTokenId, reason, details: {} }
    await refusals.record({ ...event, ...facts })
  }

  if (token !== '' && claimedTokenId === undefined) {
    const waitMs = await refusedAttempts.wait(remoteAddress)
    if (waitMs > 0) {
      const tooMany = tooManyRefused(waitMs)
      await record(tooMany)
      throw tooMany
    }
  }
  try {
    return await serve()
  } catch (thrown) {
    const { error, facts } = factsOf(thrown)
    if (!isRefusal(error)) throw error
    await record(error, facts)
    const waitMs = await refusedAttempts.hit(remoteAddress)
    throw waitMs > 0 ? tooManyRefused(waitMs) : error
  }
}

function isRefusal(error: unknown): error is AppError {
  return error instanceof AppError && !isServerFault(error) && !isTransient(error)
}
