import { defineCommand, FORMAT } from '../../cli/command.ts'
import { BAN_FLAGS, parseBanFlags } from '../bans/ban-flags.ts'
import { banEnd } from '../bans/ban-text.ts'
import { changeEach } from '../bans/change-each.ts'
import { nodeJson } from './json.ts'
import { findNodeId, parseNodeReference } from './node-argument.ts'

/** Bans nodes. Continues after a refusal; the exit status is then 1. */
export const nodesBan = defineCommand({
  options: { ...BAN_FLAGS, format: FORMAT },
  examples: [
    ['$0 nodes ban web-01', 'until it is unbanned'],
    ['$0 nodes ban web-01 --for=24h --reason="disk under examination"', 'for a day; the agent prints why'],
  ],
  async run({ format, positionals, ...flags }, context) {
    const terms = parseBanFlags(flags)
    return changeEach({ format, positionals }, context, {
      noneGiven: "which node? give its id or host name, as 'musterctl nodes ls' shows it",
      parse: parseNodeReference,
      change: async (services, reference) =>
        (await services.registration.banNode({ nodeId: await findNodeId(reference, services), ...terms })).node,
      json: nodeJson,
      line: ({ id, hostname, ban }, now) =>
        `Node ${hostname} (${id}) is banned ${banEnd(ban, now, `'musterctl nodes unban ${id}'`)}; its agent stops`,
    })
  },
})
