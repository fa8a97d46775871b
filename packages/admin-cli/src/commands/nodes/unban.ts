import { defineCommand, FORMAT } from '../../cli/command.ts'
import { changeEach } from '../bans/change-each.ts'
import { nodeJson } from './json.ts'
import { findNodeId, parseNodeReference } from './node-argument.ts'

/** Lifts the bans of nodes, and forgets that they were cloned. Continues after a refusal; the exit status is then 1. */
export const nodesUnban = defineCommand({
  options: { format: FORMAT },
  examples: [['$0 nodes unban web-01', 'its agent may be started again']],
  async run({ format, positionals }, context) {
    return changeEach({ format, positionals }, context, {
      noneGiven: "which node? give its id or host name, as 'musterctl nodes ls --status=banned' shows it",
      parse: parseNodeReference,
      change: async (services, reference) =>
        (await services.registration.unbanNode({ nodeId: await findNodeId(reference, services) })).node,
      json: nodeJson,
      line: ({ id, hostname }) => `Node ${hostname} (${id}) is let in again; start its agent again if it stopped`,
    })
  },
})
