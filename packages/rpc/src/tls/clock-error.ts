import { ClockError, clockText } from '@muster/domain'

/** The dates of a server's certificate, and what its clock says; undefined if it did not tell. */
export interface ServerDates {
  validFrom: Date
  validUntil: Date
  now: Date | undefined
}

/** The codes of OpenSSL for a certificate whose dates do not fit. */
const DATE_ERRORS = ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']

/** True if a handshake failed because a certificate of the server is not valid now. */
export function isDateError(error: NodeJS.ErrnoException): boolean {
  return DATE_ERRORS.includes(error.code ?? '')
}

/** Clocks that are apart by no more than this are the same to a person. */
const SAME_MS = 60_000

/** Explains a certificate that is not valid now, by both clocks where they are known. Nothing here is authenticated. */
export function clockError(server: string, here: Date, dates: ServerDates | undefined, cause: unknown): ClockError {
  return new ClockError(textOf(server, here, dates), { cause })
}

function textOf(server: string, here: Date, dates: ServerDates | undefined): string {
  const own = `the clock of this machine says ${clockText(here)}`
  if (dates === undefined) return `${own}, when the certificate of ${server} is not valid; set the clock that is wrong`
  const { validFrom, validUntil, now } = dates
  const life = `the certificate of ${server} is valid from ${clockText(validFrom)} until ${clockText(validUntil)}`
  if (now === undefined) return `${own}, and ${life}; set the clock that is wrong`
  if (Math.abs(now.getTime() - here.getTime()) > SAME_MS) {
    return `${own}, and the clock of ${server} says ${clockText(now)}; set the clock that is wrong (${life})`
  }
  return `${own}, as does the clock of ${server}, but ${life}; ${server} must renew it`
}
