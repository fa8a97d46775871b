import { printList } from '@muster/cli-kit/print'
import { defineCommand, FORMAT } from '../../cli/command.ts'
import { nodeColumns } from './columns.ts'
import { NODE_FILTERS, nodePages, parseNodeFilter } from './filter.ts'
import { nodeJson } from './json.ts'

/** Lists every node that joined, alive or not, by host name, or the nodes that the flags choose. */
export const nodesLs = defineCommand({
  options: { ...NODE_FILTERS, format: FORMAT },
  examples: [
    ['$0 nodes ls', 'every node'],
    ['$0 nodes ls --status=offline,expired', 'the nodes that are away'],
    ['$0 nodes ls --labels=env=prod,team=web --search=eu-west', 'nodes with these labels and this text'],
    ['$0 nodes ls --older-than=1.4.0', 'the nodes whose agent is due for an upgrade'],
    ['$0 nodes ls --token=abcdefghij', 'the nodes that joined with a token'],
    [`$0 nodes ls -o json | jq -r '.[].hostname'`, 'the host names, for programs'],
  ],
  async run({ format, ...flags }, { io, now, cluster }) {
    const filterFor = parseNodeFilter(flags)
    const services = await cluster()
    const isFiltered = Object.keys(NODE_FILTERS).some((flag) => flags[flag as keyof typeof NODE_FILTERS] !== undefined)
    await printList(io, format, nodePages(services, await filterFor(services)), {
      json: nodeJson,
      columns: () => nodeColumns(now()),
      none: isFiltered ? NONE_MATCHES : NO_NODES,
    })
  },
})

/** The message of an empty list of nodes. */
export const NO_NODES = "No nodes yet. 'musterctl tokens add --type=node' creates a token for the first."
const NONE_MATCHES = "No node matches. 'musterctl nodes ls' without filters lists all of them."
