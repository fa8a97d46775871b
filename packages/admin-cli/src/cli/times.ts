import { formatDuration } from '@muster/domain'

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const

/** An instant as `22 Nov 26 18:15 UTC` (the form of RFC 822). */
export function utcTime(date: Date): string {
  const iso = date.toISOString()
  return `${iso.slice(8, 10)} ${MONTHS[date.getUTCMonth()]} ${iso.slice(2, 4)} ${iso.slice(11, 16)} UTC`
}

/** How long from `now` until `date`, as `4m39s`; `0s` once it has passed. */
export function timeLeft(date: Date, now: Date): string {
  return formatDuration(coarse((date.getTime() - now.getTime()) / 1000))
}

/** How long ago `date` was, as `4s ago`, `2h5m ago`, `3d4h ago`. A clock that is behind the cluster's gives `0s ago`. */
export function timeAgo(date: Date, now: Date): string {
  return `${formatDuration(coarse((now.getTime() - date.getTime()) / 1000))} ago`
}

/** Seconds matter for an hour, minutes for a day. */
function coarse(seconds: number): number {
  const unit = seconds >= 86_400 ? 3_600 : seconds >= 3_600 ? 60 : 1
  return Math.floor(seconds / unit) * unit
}
