import type { bots } from '@muster/contracts'
import { banJson } from '../bans/ban-json.ts'

const STATES = ['unknown', 'active', 'expired', 'locked', 'banned'] as const
/** A bot's state as a word. */
export type BotState = (typeof STATES)[number]

/** A bot's state as a word. A state that this version does not know is `unknown`. */
export function botStateOf({ state }: bots.Bot): BotState {
  return STATES[state] ?? 'unknown'
}

/** An instance of a bot as JSON and YAML show it. Documented in docs/cli-output.md. */
export function botJson(bot: bots.Bot) {
  return {
    id: bot.id,
    name: bot.name,
    state: botStateOf(bot),
    generation: bot.generation,
    hostname: bot.hostname,
    remote_address: bot.remoteAddress,
    token_id: bot.tokenId,
    joined_at: bot.joinedAt ?? null,
    renewed_at: bot.renewedAt ?? null,
    certificate_expires_at: bot.certificateExpiresAt ?? null,
    locked_at: bot.lockedAt ?? null,
    locked_from: bot.lockedFrom === '' ? null : bot.lockedFrom,
    ban: banJson(bot.ban),
  }
}
