import type { ErrorKind } from './kinds.ts'
import { REASONS, type Reason } from './reasons.ts'

/** What an error carries besides its kind and message. */
export interface ErrorDetails {
  /** The request field at fault. */
  field?: string
  /** When the same request may be worth sending again, in milliseconds from now. */
  retryAfterMs?: number
  /** When the server answered, by its own clock; of an answer only. */
  answeredAt?: Date
  /** For the log; never on the wire. */
  cause?: unknown
}

/** The one error class of the system. Its message is safe to show to the caller: no secret, no internals. */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly kind: ErrorKind
  /** One of `Reason`, or the word of a newer server. */
  readonly reason: string | undefined
  readonly field: string | undefined
  readonly retryAfterMs: number | undefined
  readonly answeredAt: Date | undefined

  /** For an error whose kind says all. Use `refusal()` for an error with a reason: it takes the kind from the table. */
  constructor(kind: ErrorKind, message: string, details: ErrorDetails = {}, reason?: string) {
    super(message, { cause: details.cause })
    this.kind = kind
    this.reason = reason
    this.field = details.field
    this.retryAfterMs = details.retryAfterMs
    this.answeredAt = details.answeredAt
  }
}

/** An error for one of the reasons in the table, and of the kind that the table gives it. */
export function refusal(reason: Reason, message: string, details: ErrorDetails = {}): AppError {
  return new AppError(REASONS[reason].kind, message, details, reason)
}

/** The error that a server answered, as received: a newer server may have reasons that this program does not know. */
export function receivedError(kind: ErrorKind, message: string, details: ErrorDetails & { reason?: string }): AppError {
  return new AppError(kind, message, details, details.reason)
}

/** The error for a malformed field, which it names. */
export function invalid(field: string, message: string): AppError {
  return refusal('INVALID_FIELD', `${field}: ${message}`, { field })
}

/** True for failures that may pass, so that the same request may succeed later. */
export function isTransient(error: unknown): boolean {
  return (
    error instanceof AppError &&
    (error.kind === 'unavailable' || error.kind === 'deadlineExceeded' || error.kind === 'aborted')
  )
}

/** True for errors that say something about the server, and nothing about the request or its caller. */
export function isServerFault(error: unknown): boolean {
  return error instanceof AppError && (error.kind === 'internal' || error.kind === 'unimplemented')
}

/** The text of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
