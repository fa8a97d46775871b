import { type AppError, type Reason, refusal } from '@muster/domain'
import type { Subject } from './ban-store.ts'
import type { StoredBan } from './stored-ban.ts'

const WHO: Record<Subject | 'key', [reason: Reason, words: string]> = {
  node: ['NODE_BANNED', 'this node is banned'],
  bot: ['BOT_BANNED', 'this bot is banned'],
  user: ['USER_LOCKED', 'an admin has locked you out'],
  key: ['KEY_BANNED', 'this key belongs to a member that is banned'],
}

/** The error for a caller who is banned, or whose key is: until when, and why. */
export function banned(who: Subject | 'key', { until, reason }: StoredBan): AppError {
  const [code, words] = WHO[who]
  const end = until === undefined ? 'until the ban is lifted' : `until ${minute(until)}`
  return refusal(code, [`${words} ${end}`, reason].filter(Boolean).join(': '))
}

/** `2026-11-27 23:51 UTC`. A ban is never shown to end before it does. */
function minute(date: Date): string {
  const up = new Date(Math.ceil(date.getTime() / 60_000) * 60_000)
  return `${up.toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
