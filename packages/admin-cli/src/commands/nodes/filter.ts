import { UsageError } from '@muster/cli-kit'
import type { registration } from '@muster/contracts'
import { parseLabelList, printable } from '@muster/domain'
import { parseSemanticVersion } from '@muster/runtime'
import { asUsage } from '../../documents/as-usage.ts'
import { PAGE_SIZE, pagesOf } from '../../cluster/all-pages.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import type { Status } from './json.ts'
import { idOrName, resolveTokenId } from '../tokens/token-argument.ts'

/** Which nodes to list, as registration-service takes it. */
export type NodeFilter = Omit<registration.ListNodesRequest, 'pageSize' | 'pageToken'>

/** The filter that lists every node. */
export const EVERY_NODE: NodeFilter = { tokenId: '', labels: {}, statuses: [], search: '' }

/** The words for registration.NodeStatus, written out because the contracts take a while to load. */
const STATUSES = {
  pending: 1,
  online: 2,
  offline: 3,
  expired: 4,
  unknown: 5,
  banned: 6,
  cloned: 7,
} as const satisfies Record<Status, registration.NodeStatus>

/** The flags that narrow a list of nodes. */
export const NODE_FILTERS = {
  token: { type: 'string', names: 'token', describe: 'Nodes that joined with this token: its id or name' },
  labels: { type: 'string', describe: 'Nodes with all of these labels: k=v,k=v' },
  status: {
    type: 'string',
    names: 'node-status',
    describe: `Nodes with one of these statuses: ${Object.keys(STATUSES).join(', ')}; separate several with commas`,
  },
  search: { type: 'string', describe: 'Nodes with this text in their host name, id, addresses or labels' },
  'older-than': {
    type: 'string',
    value: 'VERSION',
    names: 'node-version',
    describe: 'Nodes whose agent is older than this version, such as 1.4.0, or has no version',
  },
} as const

interface NodeFlags {
  token?: string | undefined
  labels?: string | undefined
  status?: string | undefined
  search?: string | undefined
  'older-than'?: string | undefined
}

/**
 * Reads the flags before the cluster is called. The function that it returns asks the cluster for the id of a token that is
 * given by name. @throws UsageError
 */
export function parseNodeFilter(flags: NodeFlags): (services: Pick<Cluster, 'tokens'>) => Promise<NodeFilter> {
  const { token, labels = '', status = '', search = '', 'older-than': olderThan } = flags
  const tokenGiven = token === undefined ? undefined : idOrName(token)
  const filter: NodeFilter = {
    tokenId: '',
    labels: asUsage(() => parseLabelList(labels, '--labels')),
    statuses: parseStatuses(status),
    search,
    olderThan: olderThan === undefined ? undefined : asUsage(() => parseSemanticVersion(olderThan, '--older-than')),
  }
  return async (services) =>
    tokenGiven === undefined ? filter : { ...filter, tokenId: await resolveTokenId(tokenGiven, services) }
}

/** Nodes by host name, then id, page after page. */
export function nodePages(
  { registration: roll }: Pick<Cluster, 'registration'>,
  filter: NodeFilter = EVERY_NODE,
): AsyncGenerator<registration.Node[]> {
  return pagesOf(async (pageToken) => {
    const page = await roll.listNodes({ ...filter, pageSize: PAGE_SIZE, pageToken })
    return { items: page.nodes, next: page.nextPageToken }
  })
}

function parseStatuses(text: string): registration.NodeStatus[] {
  const words = text.split(',').map((word) => word.trim().toLowerCase())
  return words.filter(Boolean).map((word) => {
    if (Object.hasOwn(STATUSES, word)) return STATUSES[word as keyof typeof STATUSES]
    throw new UsageError(`--status: ${printable(word)} is not known; valid values: ${Object.keys(STATUSES).join(', ')}`)
  })
}
