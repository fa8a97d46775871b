import { registration } from '@muster/contracts'
import { invalid, parseLabels } from '@muster/domain'
import { isOlderVersion, parseSemanticVersion } from '@muster/runtime'
import type { NodeFilter } from '../store/roll-queries.ts'
import { parseTokenFilter } from '../token-filter.ts'

const MAX_SEARCH_CHARACTERS = 256

/** The part of a filter of nodes that the database applies. @throws invalidArgument */
export function parseNodeFilter({
  tokenId,
  labels,
  search,
}: Pick<registration.ListNodesRequest, 'tokenId' | 'labels' | 'search'>): NodeFilter {
  return {
    tokenId: parseTokenFilter(tokenId),
    labels: Object.keys(labels).length === 0 ? undefined : parseLabels(labels),
    search: search === '' ? undefined : parseSearch(search),
  }
}

function parseSearch(text: string): string {
  if (/\p{Cc}/u.test(text)) throw invalid('search', 'must be printable text')
  if (text.length > MAX_SEARCH_CHARACTERS)
    throw invalid('search', `must be at most ${MAX_SEARCH_CHARACTERS} characters`)
  return text
}

const KNOWN = new Set<number>(Object.values(registration.NodeStatus))

/** Whether a node has one of these statuses; every node has if there are none. @throws invalidArgument */
export function parseStatuses(statuses: readonly registration.NodeStatus[]): (node: registration.Node) => boolean {
  const wanted = new Set<number>(statuses)
  for (const status of wanted) {
    const isKnown = KNOWN.has(status) && status !== registration.NodeStatus.UNSPECIFIED
    if (!isKnown) throw invalid('statuses', `${status} is not a status`)
  }
  return ({ status }) => wanted.size === 0 || wanted.has(status)
}

/** Whether a node's version is older than this one; every node's is if there is none. @throws invalidArgument */
export function parseOlderThan(text: string | undefined): (node: registration.Node) => boolean {
  if (text === undefined) return () => true
  const limit = parseSemanticVersion(text, 'older_than')
  return ({ version }) => isOlderVersion(version, limit)
}
