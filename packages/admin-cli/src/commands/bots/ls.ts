import { utcTimeAndDistance, printList } from '@muster/cli-kit/print'
import type { bots } from '@muster/contracts'
import { PAGE_SIZE, pagesOf } from '../../cluster/all-pages.ts'
import { botColumns } from './columns.ts'
import { botJson, botStateOf } from './json.ts'
import { defineCommand, FORMAT } from '../../cli/command.ts'
import { safeText } from '@muster/domain/safe-text'
import { idOrName, resolveTokenId } from '../tokens/token-argument.ts'

/** Lists the instances of bots by name, and explains what to do about locked ones. */
export const botsLs = defineCommand({
  options: {
    token: { type: 'string', names: 'token', describe: 'Bots that joined with this token: its id or name' },
    format: FORMAT,
  },
  examples: [
    ['$0 bots ls', 'every instance with its state'],
    [`$0 bots ls --format=json | jq -r '.[] | select(.state == "locked") | .name'`, 'which are locked'],
  ],
  async run({ token, format }, { io, now, cluster }) {
    const given = token === undefined ? undefined : idOrName(token)
    const services = await cluster()
    const tokenId = given === undefined ? '' : await resolveTokenId(given, services)
    const locked: bots.Bot[] = []
    let more = 0
    const pages = pagesOf(async (pageToken) => {
      const page = await services.bots.listBots({ pageSize: PAGE_SIZE, pageToken, tokenId })
      for (const bot of page.bots.filter((found) => botStateOf(found) === 'locked')) {
        if (locked.length < MOST_EXPLAINED) locked.push(bot)
        else more += 1
      }
      return { items: page.bots, next: page.nextPageToken }
    })
    await printList(io, format, pages, {
      json: botJson,
      columns: () => botColumns(now()),
      none: "No bots yet. 'musterctl tokens add --type=bot --bot-name=NAME' creates a token for one.",
    })
    if (format !== 'text') return
    locked.forEach((bot) => io.stdout.write(`\n${explain(bot, now())}`))
    if (more > 0) io.stdout.write(`\n${more} more bots are locked.\n`)
  },
})

/** More explanations than this are too many to read. */
const MOST_EXPLAINED = 20

function explain({ id, name, hostname, lockedAt, lockedFrom }: bots.Bot, now: Date): string {
  const since = lockedAt === undefined ? '' : ` since ${utcTimeAndDistance(lockedAt, now)}`
  const from = lockedFrom === '' ? '' : ` from ${lockedFrom}`
  return [
    `${name} on ${hostname} (${id}) is locked${since}: a copy of its credentials was used${from}.`,
    `Find out who copied them. If the machine can be trusted, let it join again with a new token:`,
    `  musterctl tokens add --type=bot --bot-name=${name}`,
    'Then remove the locked instance:',
    `  musterctl bots rm ${id}`,
  ]
    .map((line) => `${safeText(line)}\n`)
    .join('')
}
