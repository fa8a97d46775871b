import { bots as contract } from '@muster/contracts'
import { bindService, bots, type BoundService, operators } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { banBot, unbanBot } from '../bans/ban-bot.ts'
import { listBots } from './list-bots.ts'
import { removeBot } from './remove-bot.ts'
import { renewBot } from './renew-bot.ts'

/** Every RPC about bots: who may call it, and which handler serves it. Bots join by Register, as nodes do. */
export function botService(deps: Deps): BoundService {
  return bindService(contract.BotServiceService, {
    renewBot: { callers: bots, handle: renewBot(deps) },
    removeBot: { callers: operators('operator'), handle: removeBot(deps) },
    banBot: { callers: operators('operator'), handle: banBot(deps) },
    unbanBot: { callers: operators('operator'), handle: unbanBot(deps) },
    listBots: { callers: operators('viewer'), handle: listBots(deps) },
  })
}
