import { recordRefused } from '@muster/audit'
import type { bots } from '@muster/contracts'
import { parseNodeId, refusal } from '@muster/domain'
import { memberOf, type UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { endBot } from './bots.ts'
import { toBot } from './list-bots.ts'

/**
 * Ends an instance of a bot: its next renewal is refused, and its key does not come in again by whatever its token still
 * allows. A certificate that it has stays what it is until it ends; it opens nothing here but that renewal. Repeating it
 * does no harm. @throws notFound BOT_UNKNOWN if there is no such instance, or no longer
 */
export function removeBot(deps: Deps): UnaryHandler<bots.RemoveBotRequest, bots.RemoveBotResponse> {
  return async (request, { peer, remoteAddress, log }) => {
    const { pool, refusals, clock } = deps
    const id = parseNodeId(request.botId, 'bot_id')
    const actor = memberOf(peer).spiffeId
    const attempt = { action: 'bot.remove', actor, remoteAddress, nodeId: id }
    const removed = await recordRefused(refusals, attempt, async () => {
      const ended = await endBot(pool, { id, actor, remoteAddress })
      if (ended === undefined) throw refusal('BOT_NOT_FOUND', `no bot has the id ${id}`)
      return ended
    })
    log.info({ event: 'bot.removed', botId: id, name: removed.name }, 'a bot was removed')
    return { bot: toBot(removed, clock.now()) }
  }
}
