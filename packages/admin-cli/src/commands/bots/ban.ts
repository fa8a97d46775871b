import { defineCommand, FORMAT } from '../../cli/command.ts'
import { BAN_FLAGS, parseBanFlags } from '../bans/ban-flags.ts'
import { banEnd } from '../bans/ban-text.ts'
import { changeEach } from '../bans/change-each.ts'
import { findBotId, parseBotReference } from './bot-argument.ts'
import { botJson } from './json.ts'

/** Bans instances of bots. Continues after a refusal; the exit status is then 1. */
export const botsBan = defineCommand({
  options: { ...BAN_FLAGS, format: FORMAT },
  examples: [
    ['$0 bots ban ci', 'until it is unbanned'],
    ['$0 bots ban 1f0a7c3e --for=24h --reason="leaked log"', 'one instance, for a day'],
  ],
  async run({ format, positionals, ...flags }, context) {
    const terms = parseBanFlags(flags)
    return changeEach({ format, positionals }, context, {
      noneGiven: "which bot? give its id or name, as 'musterctl bots ls' shows it",
      parse: parseBotReference,
      change: async (services, reference) =>
        (await services.bots.banBot({ botId: await findBotId(reference, services), ...terms })).bot,
      json: botJson,
      line: ({ id, name, hostname, ban }, now) =>
        `Bot ${name} on ${hostname} (${id}) is banned ${banEnd(ban, now, `'musterctl bots unban ${id}'`)}; it cannot renew`,
    })
  },
})
