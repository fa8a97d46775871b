import { AppError, type ErrorKind } from '@muster/domain'
import type { Refusal, Refusals } from './refusals.ts'

/** What is tried, by whom; what it was tried on may be learnt on the way. */
export type Attempt = Omit<Refusal, 'reason'>

/** Well-formed attempts that what is there stands in the way of. A malformed request is a slip, and a lost store no refusal. */
const REFUSED: readonly ErrorKind[] = ['failedPrecondition', 'alreadyExists', 'notFound']

/**
 * Makes a change, and puts on record if it was refused. Outside the change's transaction: that holds one connection, and
 * must not wait for another.
 */
export async function recordRefused<T>(refusals: Refusals, attempt: Attempt, change: () => Promise<T>): Promise<T> {
  try {
    return await change()
  } catch (error) {
    if (error instanceof AppError && REFUSED.includes(error.kind)) {
      await refusals.record({ ...attempt, reason: error.reason ?? REASON_OF[error.kind] ?? error.kind })
    }
    throw error
  }
}

/** For errors whose kind says all. */
const REASON_OF: Partial<Record<ErrorKind, string>> = { notFound: 'NOT_FOUND', alreadyExists: 'ALREADY_EXISTS' }
