import { bots } from '@muster/contracts'
import { decodeCursor, encodeCursor, parseNodeId, parsePageSize } from '@muster/domain'
import type { UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { parseTokenFilter } from '../nodes/token-filter.ts'
import { selectBots, type StoredBot } from './bots.ts'

const { BotState } = bots

/** A page of the instances of bots. */
export function listBots({ pool, clock }: Deps): UnaryHandler<bots.ListBotsRequest, bots.ListBotsResponse> {
  return async (request) => {
    const size = parsePageSize(request.pageSize)
    const tokenId = parseTokenFilter(request.tokenId)
    const cursor = decodeCursor(request.pageToken, 2)
    const after = cursor && { name: cursor[0]!, id: parseNodeId(cursor[1]!, 'page_token') }
    const found = await selectBots(pool, { size: size + 1, after, tokenId })
    const page = found.slice(0, size)
    const last = page.at(-1)
    return {
      bots: page.map((bot) => toBot(bot, clock.now())),
      nextPageToken: found.length > size && last !== undefined ? encodeCursor([last.name, last.id]) : '',
    }
  }
}

/** Converts an instance to the contract's message. */
export function toBot(bot: StoredBot, now: Date): bots.Bot {
  return { ...bot, state: stateOf(bot, now) }
}

/** The one definition of a bot's state. */
function stateOf({ ban, lockedAt, certificateExpiresAt }: StoredBot, now: Date): bots.BotState {
  if (ban !== undefined) return BotState.BANNED
  if (lockedAt !== undefined) return BotState.LOCKED
  return certificateExpiresAt <= now ? BotState.EXPIRED : BotState.ACTIVE
}
