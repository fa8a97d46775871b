import { recordRefused } from '@muster/audit'
import type { bots } from '@muster/contracts'
import { parseNodeId } from '@muster/domain'
import type { UnaryHandler } from '@muster/rpc'
import { noSuchBot } from '../bots/bot-errors.ts'
import { selectBot } from '../bots/bots.ts'
import { toBot } from '../bots/list-bots.ts'
import type { Deps } from '../deps.ts'
import { banChange, parseBan } from './ban-request.ts'
import { banAction, type BanChange, liftBan, placeBan, unbanAction } from './ban-store.ts'

/**
 * Bans an instance of a bot: it cannot renew, and none of its keys can join. Safe to repeat: the newest ban counts.
 * @throws notFound if there is no such instance
 */
export function banBot(deps: Deps): UnaryHandler<bots.BanBotRequest, bots.BanBotResponse> {
  return async (request, context) => {
    const change = banChange(parseNodeId(request.botId, 'bot_id'), context)
    const ban = parseBan(change, request)
    const bot = await changeBot(deps, change, banAction('bot'), () => placeBan(deps.pool, 'bot', ban))
    context.log.info({ event: 'bot.banned', botId: bot.id, name: bot.name }, 'a bot was banned')
    return { bot }
  }
}

/** Lifts the ban of an instance of a bot. Safe to repeat. @throws notFound if there is no such instance */
export function unbanBot(deps: Deps): UnaryHandler<bots.UnbanBotRequest, bots.UnbanBotResponse> {
  return async (request, context) => {
    const change = banChange(parseNodeId(request.botId, 'bot_id'), context)
    return { bot: await changeBot(deps, change, unbanAction('bot'), () => liftBan(deps.pool, 'bot', change)) }
  }
}

async function changeBot(
  { pool, refusals, clock }: Deps,
  { id, actor, remoteAddress }: BanChange,
  action: string,
  change: () => Promise<unknown>,
): Promise<bots.Bot> {
  const changed = await recordRefused(refusals, { action, actor, remoteAddress, nodeId: id }, async () => {
    await change()
    const stored = await selectBot(pool, id)
    if (stored === undefined) throw noSuchBot(id)
    return stored
  })
  return toBot(changed, clock.now())
}
