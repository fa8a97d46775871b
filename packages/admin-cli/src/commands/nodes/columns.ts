import { paint, type Column, timeAgo } from '@muster/cli-kit/print'
import type { registration } from '@muster/contracts'
import { formatLabels } from '@muster/domain'
import { publicAddress, nodeStatusOf, type Status } from './json.ts'

const COLOUR: Record<Status, (text: string) => string> = {
  online: paint.green,
  pending: paint.yellow,
  unknown: paint.yellow,
  offline: paint.red,
  expired: paint.red,
  banned: paint.red,
  cloned: paint.red,
}

/** Colours a node's status for a terminal. */
export function paintStatus(text: string, node: registration.Node): string {
  return COLOUR[nodeStatusOf(node)](text)
}

/** The columns of a table of nodes. */
export function nodeColumns(now: Date): Column<registration.Node>[] {
  return [
    { title: 'Host', text: ({ hostname }) => hostname },
    { title: 'UUID', text: ({ id }) => id },
    { title: 'Public Address', text: publicAddress, rank: 2 },
    { title: 'Labels', text: ({ labels }) => formatLabels(labels), rank: 3 },
    {
      title: 'Version',
      text: ({ version, outdated }) => (outdated ? `${version} (outdated)`.trim() : version),
      paint: (text, { outdated }) => (outdated ? paint.yellow(text) : text),
      rank: 4,
    },
    { title: 'Status', text: nodeStatusOf, paint: paintStatus },
    {
      title: 'Last Seen',
      text: ({ lastSeenAt }) => (lastSeenAt === undefined ? 'never' : timeAgo(lastSeenAt, now)),
      rank: 1,
    },
  ]
}
