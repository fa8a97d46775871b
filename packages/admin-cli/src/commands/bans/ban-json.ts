import type { bans } from '@muster/contracts'

/** A ban or a lock as JSON and YAML show it; `null` if there is none. Documented in docs/cli-output.md. */
export function banJson(ban: bans.Ban | undefined) {
  if (ban === undefined) return null
  return { banned_at: ban.bannedAt ?? null, until: ban.until ?? null, by: ban.by, reason: ban.reason }
}
