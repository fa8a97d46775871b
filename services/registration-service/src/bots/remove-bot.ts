import { recordRefused } from '@muster/audit'
import type { bots } from '@muster/contracts'
import { parseNodeId } from '@muster/domain'
import { memberOf, type UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { noSuchBot } from './bot-errors.ts'
import { endBot } from './bots.ts'
import { toBot } from './list-bots.ts'

/**
 * Removes an instance of a bot: its next renewal is refused, and its key cannot join again, whatever its token still allows.
 * Its certificate stays valid for foreign programs until it expires; here it opens nothing. Safe to repeat.
 * @throws notFound if there is no such instance
 */
export function removeBot(deps: Deps): UnaryHandler<bots.RemoveBotRequest, bots.RemoveBotResponse> {
  return async (request, { peer, remoteAddress, log }) => {
    const { pool, refusals, clock } = deps
    const id = parseNodeId(request.botId, 'bot_id')
    const actor = memberOf(peer).spiffeId
    const attempt = { action: 'bot.remove', actor, remoteAddress, nodeId: id }
    const removed = await recordRefused(refusals, attempt, async () => {
      const ended = await endBot(pool, { id, actor, remoteAddress })
      if (ended === undefined) throw noSuchBot(id)
      return ended
    })
    log.info({ event: 'bot.removed', botId: id, name: removed.name }, 'a bot was removed')
    return { bot: toBot(removed, clock.now()) }
  }
}
