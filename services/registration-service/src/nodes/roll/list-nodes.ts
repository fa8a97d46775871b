import type { registration } from '@muster/contracts'
import { decodeCursor, encodeCursor, MAX_PAGE_SIZE, parseNodeId, parsePageSize } from '@muster/domain'
import type { UnaryHandler } from '@muster/rpc'
import type { Deps } from '../../deps.ts'
import { parseNodeFilter, parseOlderThan, parseStatuses } from './node-filter.ts'
import { selectNodes } from '../store/roll-queries.ts'
import { toRoll } from './roll.ts'

/** A node may carry 16 KiB of labels. A page ends early before it exceeds what clients accept. */
const MAX_PAGE_BYTES = 2 * 1024 * 1024
const BYTES_BESIDE_LABELS = 1024

/** A page of the roll. */
export function listNodes(deps: Deps): UnaryHandler<registration.ListNodesRequest, registration.ListNodesResponse> {
  return async (request) => {
    const size = parsePageSize(request.pageSize)
    const cursor = decodeCursor(request.pageToken, 2)
    const after = cursor && { hostname: cursor[0]!, id: parseNodeId(cursor[1]!, 'page_token') }
    const filter = parseNodeFilter(request)
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
    return { nodes: page, nextPageToken: isLast ? '' : encodeCursor([last.hostname, last.id]) }
  }
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
