import { AppError, CERTIFICATE_BACKDATE_MS, ClockError, clockText } from '@muster/domain'

/** What this machine knows of the certificate that a server has refused. */
export interface RefusedHere {
  now: Date
  /** When the certificate ends. */
  expiresAt: Date
}

/** What a server says to a certificate that is not valid now. */
const OF_DATES = ['NO_IDENTITY', 'CERTIFICATE_EXPIRED']

/**
 * Turns the refusal of a certificate into a failure that passes if the clocks disagree about it: one of them is wrong, and
 * will be set. Returns every other error as it is.
 */
export function withClocks(error: unknown, { now, expiresAt }: RefusedHere): unknown {
  if (!(error instanceof AppError) || !OF_DATES.includes(error.reason ?? '')) return error
  const { answeredAt, reason } = error
  if (answeredAt === undefined) {
    // An open stream that ends says nothing of the server's time. The next one will.
    return reason === 'CERTIFICATE_EXPIRED' && expiresAt > now
      ? dispute(`where the certificate is valid until ${clockText(expiresAt)}`, now, error)
      : error
  }
  if (Math.abs(answeredAt.getTime() - now.getTime()) <= CERTIFICATE_BACKDATE_MS) return error
  return dispute(`the clock of the server ${clockText(answeredAt)}`, now, error)
}

function dispute(other: string, now: Date, { message, reason }: AppError): AppError {
  const text = `the server refused the certificate: ${message} (${reason}); the clock of this machine says ${clockText(now)}, ${other}; set the clock that is wrong`
  return new AppError('unavailable', text, { cause: new ClockError(text) })
}
