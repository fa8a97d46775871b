import { types } from 'node:util'
import pg from 'pg'
import { AppError } from '@muster/domain'

/** True if the error is the violation of that named constraint (unique 23505, check 23514). */
export function violates(error: unknown, constraint: string): boolean {
  return error instanceof pg.DatabaseError && error.constraint === constraint
}

/** True for 40001 serialization_failure and 40P01 deadlock_detected: the same transaction may succeed if run again. */
export function isRetryable(error: unknown): boolean {
  return error instanceof pg.DatabaseError && (error.code === '40001' || error.code === '40P01')
}

/** True if the server gave no answer in time, or takes no writes (25006), as a standby: another connection may do better. */
export function isOfNoUse(error: unknown): boolean {
  if (error instanceof pg.DatabaseError) return error.code === '25006'
  return types.isNativeError(error) && error.message === NO_ANSWER
}

/** What `pg` says when `query_timeout` is over. */
const NO_ANSWER = 'Query read timeout'

// Class 08 connection exception, 57P01-57P03 shutting down or starting up, 53300 too many connections, 57014 timed out,
// 25006 read-only: a primary has become a standby.
const UNAVAILABLE_STATES = /^(?:08...|57P0[123]|53300|57014|25006)$/
const UNAVAILABLE_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
])
const UNAVAILABLE_TEXTS =
  /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Query read timeout|takes (?:no )?writes/

/**
 * Translates a lost or refused database connection to `unavailable`, so that the caller retries. Other errors stay as they
 * are. The statement may or may not have taken effect.
 */
export function asAppError(error: unknown): unknown {
  if (!types.isNativeError(error)) return error
  const code = (error as NodeJS.ErrnoException).code ?? ''
  const lost =
    error instanceof pg.DatabaseError
      ? UNAVAILABLE_STATES.test(code)
      : UNAVAILABLE_CODES.has(code) || UNAVAILABLE_TEXTS.test(error.message)
  return lost ? new AppError('unavailable', 'the database is not reachable; try again', { cause: error }) : error
}
