import { formatDuration } from '@muster/domain'

/** An instant as people read it everywhere: `2026-11-27 23:51 UTC`. Machine formats have RFC 3339 instead. */
export function utcTime(date: Date): string {
  return `${date.toISOString().slice(0, 'yyyy-mm-ddThh:mm'.length).replace('T', ' ')} UTC`
}

/** An instant and how far away it is: `2026-11-27 23:51 UTC (in 4m39s)`, `2026-11-27 23:51 UTC (2h5m ago)`. */
export function utcTimeAndDistance(date: Date, now: Date): string {
  return `${utcTime(date)} (${distance(date, now)})`
}

/** How far away an instant is: `in 4m39s`, `2h5m ago`. */
export function distance(date: Date, now: Date): string {
  return date > now ? `in ${timeLeft(date, now)}` : timeAgo(date, now)
}

/** How long from `now` until `date`, as `4m39s`; `0s` once it has passed. */
export function timeLeft(date: Date, now: Date): string {
  return formatDuration(coarse((date.getTime() - now.getTime()) / 1000))
}

/** How long ago `date` was, as `4s ago`, `2h5m ago`, `3d4h ago`; `0s ago` if this machine's clock is behind the cluster's. */
export function timeAgo(date: Date, now: Date): string {
  return `${formatDuration(coarse((now.getTime() - date.getTime()) / 1000))} ago`
}

/** Rounds down to seconds within an hour, to minutes within a day, to hours beyond. */
function coarse(seconds: number): number {
  const unit = seconds >= 86_400 ? 3_600 : seconds >= 3_600 ? 60 : 1
  return Math.floor(seconds / unit) * unit
}
