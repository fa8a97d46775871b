import type { token } from '@muster/contracts'
import { formatLabels } from '@muster/domain'
import { allPages, PAGE_SIZE } from '../all-pages.ts'
import { defineCommand, FORMAT } from '../command.ts'
import { print } from '../print.ts'
import { styleFor, table, type Column } from '../table.ts'
import { timeLeft, utcTime } from '../times.ts'
import { tokenJson } from '../token-json.ts'

/** Lists the tokens that can still admit a node, soonest expiry first. */
export const tokensLs = defineCommand({
  options: { format: FORMAT },
  examples: [
    ['$0 tokens ls', 'id, type, labels, uses and expiry of each'],
    ['$0 tokens ls --format=json', 'all that is known of each, for programs'],
  ],
  async run({ format }, { io, now, cluster }) {
    const { tokens } = await cluster()
    const found = await allPages(async (pageToken) => {
      const page = await tokens.listTokens({
        pageSize: PAGE_SIZE,
        pageToken,
        types: [],
        roles: [],
        labels: {},
        states: [],
        used: false,
      })
      return { items: page.tokens, next: page.nextPageToken }
    })
    await print(io, format, found.map(tokenJson), () => {
      if (found.length === 0) io.stderr.write('No active tokens.\n')
      else io.stdout.write(table(columns(found, now()), found, styleFor(io.stdout, io.env)))
    })
  },
})

function columns(found: readonly token.Token[], now: Date): Column<token.Token>[] {
  const all: Column<token.Token>[] = [
    { title: 'Token id', text: ({ id }) => id },
    { title: 'Type', text: ({ roles, botName }) => roles.join(',') + (botName === '' ? '' : ` (${botName})`) },
    { title: 'Labels', text: ({ labels }) => formatLabels(labels), flexible: true },
    { title: 'Uses', text: ({ uses, maxUses }) => (maxUses === undefined ? `${uses}` : `${uses}/${maxUses}`) },
    {
      title: 'Expiry Time (UTC)',
      text: ({ expiresAt }) =>
        expiresAt === undefined ? 'never' : `${utcTime(expiresAt)} (${timeLeft(expiresAt, now)})`,
    },
  ]
  if (found.some(({ description }) => description !== '')) {
    all.push({ title: 'Description', text: ({ description }) => description, flexible: true })
  }
  return all
}
