import { defineCommand, FORMAT } from '../../cli/command.ts'
import { changeEach } from '../bans/change-each.ts'
import { findBotId, parseBotReference } from './bot-argument.ts'
import { botJson, botStateOf } from './json.ts'

/** Lifts the bans of instances of bots. Continues after a refusal; the exit status is then 1. */
export const botsUnban = defineCommand({
  options: { format: FORMAT },
  examples: [['$0 bots unban ci', 'it may renew again']],
  async run({ format, positionals }, context) {
    return changeEach({ format, positionals }, context, {
      noneGiven: "which bot? give its id or name, as 'musterctl bots ls' shows it",
      parse: parseBotReference,
      change: async (services, reference) =>
        (await services.bots.unbanBot({ botId: await findBotId(reference, services) })).bot,
      json: botJson,
      line: (bot) => `Bot ${bot.name} on ${bot.hostname} (${bot.id}) is not banned; its state is ${botStateOf(bot)}`,
    })
  },
})
