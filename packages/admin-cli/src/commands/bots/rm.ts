import { print } from '@muster/cli-kit/print'
import { safeText } from '@muster/domain/safe-text'
import { PAGE_SIZE } from '../../cluster/all-pages.ts'
import { defineCommand, FORMAT } from '../../cli/command.ts'
import { parseIdPrefixes, removeByIdPrefix, reportRemoval } from '../../cluster/removal.ts'

/** Removes bots by the id of an instance or the beginning of one. Goes on after one that is refused; then the exit status is 1. */
export const botsRm = defineCommand({
  options: { format: FORMAT },
  examples: [
    ['$0 bots rm 1f0a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e13', 'by id, as bots ls shows it'],
    ['$0 bots rm 1f0a7c3e 2f0a7c3e', 'several, by at least 8 characters of each'],
  ],
  async run({ format, positionals }, { io, cluster }) {
    const wanted = parseIdPrefixes(positionals, 'bot')
    const { bots } = await cluster()
    const removal = await removeByIdPrefix(wanted, {
      noun: 'bot',
      async idsFrom(pageToken) {
        const page = await bots.listBots({ pageSize: PAGE_SIZE, pageToken, tokenId: '' })
        return { items: page.bots.map(({ id }) => id), next: page.nextPageToken }
      },
      async remove(botId) {
        const { bot } = await bots.removeBot({ botId })
        return { id: botId, name: bot?.name ?? '', hostname: bot?.hostname ?? '' }
      },
    })
    const data = removal.removed.map((bot) => ({ ...bot, deleted: true }))
    await print(io, format, data, () => {
      removal.removed.forEach(({ id, name, hostname }) =>
        io.stdout.write(safeText(`Bot ${name} on ${hostname} (${id}) has been removed; it renews no more`) + '\n'),
      )
    })
    return reportRemoval(io, removal)
  },
})
