import { content, hasTag, malformed, node, tags } from './asn1.ts'
import type { Asn1Node } from './asn1.ts'

/** The instant without its fraction of a second, which X.509 cannot express. Throws RangeError for an invalid date. */
export function wholeSeconds(date: Date): Date {
  const ms = date.getTime()
  if (Number.isNaN(ms)) throw new RangeError('invalid date')
  return new Date(ms - (((ms % 1000) + 1000) % 1000))
}

/** Builds a Time: UTCTime to 2049, GeneralizedTime from 2050 (RFC 5280 §4.1.2.5). Throws RangeError before 1950 and after 9999. */
export function buildTime(date: Date): Asn1Node {
  const year = date.getUTCFullYear()
  if (!(year >= 1950 && year <= 9999)) throw new RangeError('a year from 1950 to 9999 is needed')
  const digits = `${date.toISOString().slice(0, 19).replace(/\D/g, '')}Z`
  return year < 2050 ? node(tags.utcTime, digits.slice(2)) : node(tags.generalizedTime, digits)
}

/** Reads a Time with seconds and Z; to be called inside `reading`. */
export function readTime(time: Asn1Node | undefined): Date {
  if (time !== undefined && hasTag(time, tags.generalizedTime)) {
    return instant(content(time, tags.generalizedTime, 'time'))
  }
  const digits = content(time, tags.utcTime, 'time')
  return instant(`${Number(digits.slice(0, 2)) < 50 ? '20' : '19'}${digits}`)
}

function instant(digits: string): Date {
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(digits)
  if (match === null) malformed('time with seconds and Z expected')
  const [, year, month, day, hour, minute, second] = match.map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const date = new Date(Date.UTC(year, month - 1, day, hour, minute, second))
  // Date.UTC lets the 31st of a short month roll over into the next.
  if (date.getUTCMonth() !== month - 1 || date.getUTCSeconds() !== second) malformed('no such time')
  return date
}
