/** The first and the last millisecond of the years 1 to 9999, in milliseconds since the epoch. */
const EARLIEST_MS = -62_135_596_800_000
const LATEST_MS = 253_402_300_799_999

/** True for a time that fits a protobuf Timestamp. Postgres accepts all of these, but not every time of JavaScript. */
export function isTimestamp(date: Date): boolean {
  return date.getTime() >= EARLIEST_MS && date.getTime() <= LATEST_MS
}

/**
 * Certificates are valid this long before their issue: members whose clocks differ by minutes accept new ones. The life of
 * a certificate counts from its issue.
 */
export const CERTIFICATE_BACKDATE_MS = 5 * 60_000
