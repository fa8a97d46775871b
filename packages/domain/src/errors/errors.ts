/** What went wrong, in the terms a caller can act on. `packages/rpc` alone knows which gRPC status each becomes. */
export type ErrorKind =
  | 'invalidArgument'
  | 'unauthenticated'
  | 'permissionDenied'
  | 'notFound'
  | 'alreadyExists'
  | 'failedPrecondition'
  | 'aborted'
  | 'resourceExhausted'
  | 'unavailable'
  | 'deadlineExceeded'
  | 'internal'

export interface ErrorDetails {
  /** Stable upper-case word that a program may branch on, such as TOKEN_EXPIRED. */
  reason?: string
  /** The request field at fault. */
  field?: string
  /** When the same request may be worth sending again, in milliseconds from now. */
  retryAfterMs?: number
  /** For the log; never on the wire. */
  cause?: unknown
}

/** The one error class of the system. Its message is safe to show to the caller: no secret, no internals. */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly kind: ErrorKind
  readonly reason: string | undefined
  readonly field: string | undefined
  readonly retryAfterMs: number | undefined

  constructor(kind: ErrorKind, message: string, details: ErrorDetails = {}) {
    super(message, { cause: details.cause })
    this.kind = kind
    this.reason = details.reason
    this.field = details.field
    this.retryAfterMs = details.retryAfterMs
  }
}

/** A malformed field, named. */
export function invalid(field: string, message: string): AppError {
  return new AppError('invalidArgument', `${field}: ${message}`, { field, reason: 'INVALID_FIELD' })
}

/** True for failures that may pass by themselves, so the same request may be sent again. */
export function isTransient(error: unknown): boolean {
  return (
    error instanceof AppError &&
    (error.kind === 'unavailable' || error.kind === 'deadlineExceeded' || error.kind === 'aborted')
  )
}

/** The text of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
