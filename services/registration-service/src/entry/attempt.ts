import { AppError, isServerFault, isTransient, tokenIdOf } from '@muster/domain'
import type { CallContext } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { factsOf } from './attempt-facts.ts'

/** An attempt: its action in the audit, and its token value, which is empty when a person comes back by a key. */
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
 * A generated token or a key cannot be guessed. An attempt with one is always served: at once while its address is within the
 * limit, else in turn with the other attempts of that address. A custom token can be guessed, so attempts with one are
 * rejected unread beyond the limit (see `EntryLimits`).
 */
export async function attempt<T>(
  { refusals, entryLimits, entries }: Pick<Deps, 'refusals' | 'entryLimits' | 'entries'>,
  { action, token, context }: Attempt,
  serve: () => Promise<T>,
): Promise<T> {
  const { remoteAddress } = context
  // The id in the token's value proves nothing: a stranger can name any token.
  const claimedTokenId = tokenIdOf(token)
  const limited = { context, isGuess: token !== '' && claimedTokenId === undefined }
  try {
    const served = await entryLimits.run(limited, serve, (thrown) => isRefusal(factsOf(thrown).error))
    entries.inc({ action, outcome: 'ok', reason: '' })
    return served
  } catch (thrown) {
    const { error, facts } = factsOf(thrown)
    if (!isRefusal(error)) {
      entries.inc({ action, outcome: 'failed', reason: '' })
      throw error
    }
    const reason = error.reason ?? error.kind
    entries.inc({ action, outcome: 'refused', reason })
    const event = { action, actor: 'anonymous', remoteAddress, tokenId: claimedTokenId, reason, details: {} }
    await refusals.record({ ...event, ...facts })
    throw await entryLimits.answer(limited, error)
  }
}

function isRefusal(error: unknown): error is AppError {
  return error instanceof AppError && !isServerFault(error) && !isTransient(error)
}
