import { AppError, isServerFault, isTransient } from '@muster/domain'

/** True for a failed request that is worth repeating: the failure is transient, or the server said how long to wait. */
export function mayPass(error: unknown): boolean {
  return isTransient(error) || (error instanceof AppError && isRateLimited(error) && error.retryAfterMs !== undefined)
}

/**
 * True if a server refused a renewal for good. Faults of the server and rate limits pass: a member that
 * holds a valid certificate keeps trying until it expires.
 */
export function isRefused(error: unknown): boolean {
  return error instanceof AppError && !isTransient(error) && !isRateLimited(error) && !isServerFault(error)
}

function isRateLimited({ kind }: AppError): boolean {
  return kind === 'resourceExhausted'
}
