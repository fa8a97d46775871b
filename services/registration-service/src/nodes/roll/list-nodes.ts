import type { registration } from '@muster/contracts'
import {
  decodeCursor,
  encodeCursor,
  invalid,
  isTimestamp,
  MAX_PAGE_SIZE,
  parseNodeId,
  parsePageSize,
} from '@muster/domain'
import type { UnaryHandler } from '@muster/rpc'
import type { Deps } from '../../deps.ts'
import { parseNodeFilter, parseOlderThan, parseStatuses } from './node-filter.ts'
import { type NodeFilter, type NodePlace, placeOf, selectNodes } from '../store/roll-queries.ts'
import { toRoll } from './roll.ts'

/** A node may carry 16 KiB of labels. A page ends early before it exceeds what clients accept. */
const MAX_PAGE_BYTES = 2 * 1024 * 1024
const BYTES_BESIDE_LABELS = 1024

/** A page of the roll. */
export function listNodes(deps: Deps): UnaryHandler<registration.ListNodesRequest, registration.ListNodesResponse> {
  return async (request) => {
    const size = parsePageSize(request.pageSize)
    const filter = parseNodeFilter(request)
    const after = parseCursor(request.pageToken, filter)
    const hasStatus = parseStatuses(request.statuses)
    const isOlder = parseOlderThan(request.olderThan)
    // The status is not in the database, and the database cannot compare versions: read more nodes than a page takes, and keep
    // those that match.
    const limit = request.statuses.length === 0 && request.olderThan === undefined ? size : MAX_PAGE_SIZE
    const found = await selectNodes(deps.pool, { ...filter, after, size: limit + 1 })
    const matches = (node: registration.Node) => hasStatus(node) && isOlder(node)
    const { page, next } = fill(size, await toRoll(deps, found.slice(0, limit)), matches)
    const last = found[next - 1]
    const isLast = next === found.length || last === undefined
    return { nodes: page, nextPageToken: isLast ? '' : encodeCursor(placeOf(last, filter)) }
  }
}

function parseCursor(pageToken: string, { tokenId }: NodeFilter): NodePlace | undefined {
  const cursor = decodeCursor(pageToken, 2)
  if (cursor === undefined) return undefined
  const [key, id] = cursor as [string, string]
  // The nodes of a token are sorted by time.
  if (tokenId !== undefined && !isExactTime(key)) throw invalid('page_token', 'was not made by this service')
  return [key, parseNodeId(id, 'page_token')]
}

function isExactTime(text: string): boolean {
  const date = new Date(text)
  return isTimestamp(date) && date.toISOString() === text
}

/** The nodes that match, as many as fit a page. @returns them, and the index of the first node that the next page is to look at */
function fill(
  size: number,
  nodes: readonly registration.Node[],
  matches: (node: registration.Node) => boolean,
): { page: registration.Node[]; next: number } {
  const page: registration.Node[] = []
  let bytes = 0
  for (const [i, node] of nodes.entries()) {
    if (!matches(node)) continue
    bytes += BYTES_BESIDE_LABELS + JSON.stringify(node.labels).length
    if (page.length === size || (page.length > 0 && bytes > MAX_PAGE_BYTES)) return { page, next: i }
    page.push(node)
  }
  return { page, next: nodes.length }
}
