/** The first and the last millisecond of the years 1 to 9999, in milliseconds since the epoch. */
const EARLIEST_MS = -62_135_596_800_000
const LATEST_MS = 253_402_300_799_999

/** True for a time that a protobuf Timestamp may hold. Postgres takes all of those, and not all that JavaScript knows. */
export function isTimestamp(date: Date): boolean {
  return date.getTime() >= EARLIEST_MS && date.getTime() <= LATEST_MS
}
