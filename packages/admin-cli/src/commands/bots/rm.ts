import { UsageError } from '@muster/cli-kit'
import { print } from '@muster/cli-kit/print'
import { safeText } from '@muster/domain/safe-text'
import { defineCommand, FORMAT } from '../../cli/command.ts'
import { removeEach, reportRemoval } from '../../cluster/removal.ts'
import { findBotId, parseBotReference } from './bot-argument.ts'

/** Removes instances of bots. Continues after a refusal; the exit status is then 1. */
export const botsRm = defineCommand({
  options: { format: FORMAT },
  examples: [
    ['$0 bots rm ci', 'by name, if the bot has one instance'],
    ['$0 bots rm 1f0a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e13', 'by the id of an instance, as bots ls shows it'],
    ['$0 bots rm 1f0a7c3e 2f0a7c3e', 'several, by at least 8 characters of each id'],
  ],
  async run({ format, positionals }, { io, cluster }) {
    if (positionals.length === 0) {
      throw new UsageError("which bot? give its id or name, as 'musterctl bots ls' shows it")
    }
    const wanted = positionals.map(parseBotReference)
    const services = await cluster()
    const removal = await removeEach(
      wanted,
      async (reference) => {
        const botId = await findBotId(reference, services)
        const { bot } = await services.bots.removeBot({ botId })
        return { id: botId, name: bot?.name ?? '', hostname: bot?.hostname ?? '' }
      },
      (reference) => reference,
    )
    const data = removal.removed.map((bot) => ({ ...bot, deleted: true }))
    await print(io, format, data, () => {
      removal.removed.forEach(({ id, name, hostname }) =>
        io.stdout.write(safeText(`Bot ${name} on ${hostname} (${id}) is removed; it cannot renew any more`) + '\n'),
      )
    })
    return reportRemoval(io, removal)
  },
})
