import { utcTimeAndDistance } from '@muster/cli-kit/print'
import type { bans } from '@muster/contracts'

/** When a ban ends, for a sentence: `until 2026-11-27 23:51 UTC (in 24h)`. */
export function banEnd(ban: bans.Ban | undefined, now: Date, lift: string): string {
  return ban?.until === undefined ? `until ${lift}` : `until ${utcTimeAndDistance(ban.until, now)}`
}

/** A ban in one line: since when, until when, by whom and why. */
export function describeBan(ban: bans.Ban, now: Date): string {
  const parts = [
    ban.bannedAt === undefined ? '' : `since ${utcTimeAndDistance(ban.bannedAt, now)}`,
    ban.until === undefined ? 'until it is lifted' : `until ${utcTimeAndDistance(ban.until, now)}`,
    `by ${ban.by}`,
    ban.reason === '' ? '' : `because: ${ban.reason}`,
  ]
  return parts.filter(Boolean).join(', ')
}
