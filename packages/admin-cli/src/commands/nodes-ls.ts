import { allPages, PAGE_SIZE } from '../all-pages.ts'
import { defineCommand, FORMAT } from '../command.ts'
import { nodeColumns } from '../node-columns.ts'
import { nodeJson } from '../node-json.ts'
import { print } from '../print.ts'
import { styleFor, table } from '../table.ts'

/** Lists every node that joined, alive or not, by hostname. */
export const nodesLs = defineCommand({
  options: { format: FORMAT },
  examples: [
    ['$0 nodes ls', 'the roll'],
    [`$0 nodes ls --format=json | jq -r '.[] | select(.status == "offline") | .hostname'`, 'who is away'],
  ],
  async run({ format }, { io, now, cluster }) {
    const { registration: roll } = await cluster()
    const nodes = await allPages(async (pageToken) => {
      const page = await roll.listNodes({ pageSize: PAGE_SIZE, pageToken, tokenId: '' })
      return { items: page.nodes, next: page.nextPageToken }
    })
    await print(io, format, nodes.map(nodeJson), () => {
      if (nodes.length > 0) io.stdout.write(table(nodeColumns(now()), nodes, styleFor(io.stdout, io.env)))
      else io.stderr.write("No nodes yet. 'musterctl tokens add --type=node' makes a token for the first.\n")
    })
  },
})
