import { AppError, type ErrorKind } from '@muster/domain'
import type { Refusal, Refusals } from './refusals.ts'

/** The attempted change, and its caller. */
export type Attempt = Omit<Refusal, 'reason'>

/** Refusals of a well-formed attempt because of the state it meets. A malformed request or a lost store is no refusal. */
const REFUSED: readonly ErrorKind[] = ['failedPrecondition', 'alreadyExists', 'notFound']

/**
 * Makes a change, and records it in the audit if it is refused. Call it outside the change's transaction, which holds one
 * connection and must not wait for another.
 */
export async function recordRefused<T>(refusals: Refusals, attempt: Attempt, change: () => Promise<T>): Promise<T> {
  try {
    return await change()
  } catch (error) {
    await recordRefusal(refusals, attempt, error)
    throw error
  }
}

/** Records the error of an attempt in the audit, if the error is a refusal. */
export async function recordRefusal(refusals: Refusals, attempt: Attempt, error: unknown): Promise<void> {
  if (!(error instanceof AppError) || !REFUSED.includes(error.kind)) return
  await refusals.record({ ...attempt, reason: error.reason ?? error.kind })
}
