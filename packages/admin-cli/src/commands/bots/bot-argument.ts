import type { bots } from '@muster/contracts'
import { parseMemberName } from '@muster/domain'
import { PAGE_SIZE, pagesOf } from '../../cluster/all-pages.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import { findId, parseReference, type Findable, type NameForm } from '../../cluster/find-by-name.ts'
import { botStateOf } from './json.ts'

const NAME_FORM: NameForm = { noun: 'bot', nameIs: 'name', checkName: parseMemberName }

/** A bot as a person names it: the id of an instance, at least 8 characters of one, or the bot's name. @throws UsageError */
export function parseBotReference(text: string): string {
  return parseReference(text, NAME_FORM)
}

/** The id of the one instance that this names. @throws CliError that lists the candidates if there are several */
export function findBotId(reference: string, { bots: client }: Pick<Cluster, 'bots'>): Promise<string> {
  const findable: Findable<bots.Bot> = {
    ...NAME_FORM,
    idOf: ({ id }) => id,
    nameOf: ({ name }) => name,
    detailsOf: (bot) => `${bot.name} on ${bot.hostname}, ${botStateOf(bot)}`,
    search: () =>
      pagesOf(async (pageToken) => {
        const page = await client.listBots({ pageSize: PAGE_SIZE, pageToken, tokenId: '' })
        return { items: page.bots, next: page.nextPageToken }
      }),
  }
  return findId(reference, findable)
}
