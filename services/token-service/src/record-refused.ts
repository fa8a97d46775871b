import type { Refusal } from '@muster/audit'
import { AppError } from '@muster/domain'
import type { Deps } from './deps.ts'

/** What is tried, by whom; which token it is may be learnt on the way. */
export type Attempt = Omit<Refusal, 'reason'>

/**
 * Makes a change, and puts on record if it was refused for what the token is. Outside the change's transaction: that holds
 * one connection, and must not wait for another.
 */
export async function recordRefused<T>(
  { refusals }: Pick<Deps, 'refusals'>,
  attempt: Attempt,
  change: () => Promise<T>,
): Promise<T> {
  try {
    return await change()
  } catch (error) {
    if (error instanceof AppError && error.kind === 'failedPrecondition') {
      await refusals.record({ ...attempt, reason: error.reason ?? error.kind })
    }
    throw error
  }
}
