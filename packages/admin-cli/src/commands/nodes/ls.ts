import { printList } from '@muster/cli-kit/print'
import { PAGE_SIZE, pagesOf } from '../../cluster/all-pages.ts'
import { defineCommand, FORMAT } from '../../cli/command.ts'
import { nodeColumns } from './columns.ts'
import { nodeJson } from './json.ts'
import { idOrName, resolveTokenId } from '../tokens/token-argument.ts'

/** Lists every node that joined, alive or not, by hostname. */
export const nodesLs = defineCommand({
  options: {
    token: { type: 'string', describe: 'Those that came in by this token: its id or name' },
    format: FORMAT,
  },
  examples: [
    ['$0 nodes ls', 'the roll'],
    ['$0 nodes ls --token=abcdefghij', 'who came in by a token'],
    [`$0 nodes ls --format=json | jq -r '.[] | select(.status == "offline") | .hostname'`, 'who is away'],
  ],
  async run({ token, format }, { io, now, cluster }) {
    const given = token === undefined ? undefined : idOrName(token)
    const services = await cluster()
    const tokenId = given === undefined ? '' : await resolveTokenId(given, services)
    const pages = pagesOf(async (pageToken) => {
      const page = await services.registration.listNodes({ pageSize: PAGE_SIZE, pageToken, tokenId })
      return { items: page.nodes, next: page.nextPageToken }
    })
    await printList(io, format, pages, {
      json: nodeJson,
      columns: () => nodeColumns(now()),
      none:
        given === undefined
          ? "No nodes yet. 'musterctl tokens add --type=node' makes a token for the first."
          : 'No nodes on the roll came in by that token.',
    })
  },
})
