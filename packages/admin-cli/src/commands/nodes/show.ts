import { UsageError } from '@muster/cli-kit'
import { facts, print, utcTimeAndDistance } from '@muster/cli-kit/print'
import type { registration } from '@muster/contracts'
import { formatLabels } from '@muster/domain'
import { safeText } from '@muster/domain/safe-text'
import { defineCommand, FORMAT } from '../../cli/command.ts'
import { describeBan } from '../bans/ban-text.ts'
import { nodeJson, nodeStatusOf } from './json.ts'
import { findNode, parseNodeReference } from './node-argument.ts'

/** Shows one node. */
export const nodesShow = defineCommand({
  options: { format: FORMAT },
  examples: [
    ['$0 nodes show web-01', 'by host name, if no other node has the same'],
    ['$0 nodes show 6805dda3 -o json | jq .ban', 'whether it is banned, until when, and why'],
  ],
  async run({ format, positionals: [typed, ...others] }, { io, now, cluster }) {
    if (typed === undefined) {
      throw new UsageError("which node? give its id or host name, as 'musterctl nodes ls' shows it")
    }
    if (others.length > 0) throw new UsageError('one node at a time')
    const reference = parseNodeReference(typed)
    const node = await findNode(reference, await cluster())
    await print(io, format, nodeJson(node), () => io.stdout.write(facts(factsOf(node, now()))))
  },
})

function factsOf(node: registration.Node, now: Date): [string, string][] {
  const time = (at: Date | undefined) => (at === undefined ? '' : utcTimeAndDistance(at, now))
  const rows: [string, string][] = [
    ['Host', node.hostname],
    ['UUID', node.id],
    ['Status', nodeStatusOf(node)],
    ['Banned', node.ban === undefined ? '' : describeBan(node.ban, now)],
    ['Cloned', node.clone === undefined ? '' : describeClone(node.clone, now)],
    ['Last seen', node.lastSeenAt === undefined ? 'never' : time(node.lastSeenAt)],
    ['Roles', node.roles.join(', ')],
    ['Labels', formatLabels(node.labels)],
    ['Advertised', node.advertisedAddress],
    ['Heard from', node.remoteAddress],
    ['Version', node.version],
    ['System', node.os],
    ['Joined', time(node.joinedAt)],
    ['Token', node.tokenId],
    ['Certificate', node.certificateExpiresAt === undefined ? '' : `until ${time(node.certificateExpiresAt)}`],
  ]
  return rows.filter(([, value]) => value !== '').map(([name, value]) => [name, safeText(value)])
}

function describeClone({ foundAt, remoteAddresses }: registration.CloneSign, now: Date): string {
  const found = foundAt === undefined ? 'found' : `found ${utcTimeAndDistance(foundAt, now)}`
  return `${found}, used from ${remoteAddresses.join(' and ')}; 'nodes unban' clears it`
}
