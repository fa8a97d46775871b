import type { registration } from '@muster/contracts'
import { decodeCursor, encodeCursor, parseNodeId, parsePageSize } from '@muster/domain'
import type { UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { selectNodes, type StoredNode } from './nodes.ts'
import { toRoll } from './roll.ts'
import { parseTokenFilter } from './token-filter.ts'

/** Nodes may carry 16 KiB of labels each; a page ends early before it outgrows what clients take. */
const MAX_PAGE_BYTES = 2 * 1024 * 1024
const BYTES_BESIDE_LABELS = 1024

/** A page of the roll. */
export function listNodes(deps: Deps): UnaryHandler<registration.ListNodesRequest, registration.ListNodesResponse> {
  return async (request) => {
    const size = parsePageSize(request.pageSize)
    const cursor = decodeCursor(request.pageToken, 2)
    const after = cursor && { hostname: cursor[0]!, id: parseNodeId(cursor[1]!, 'page_token') }
    const found = await selectNodes(deps.pool, { size: size + 1, after, tokenId: parseTokenFilter(request.tokenId) })
    const page = fitting(found.slice(0, size))
    const last = page.at(-1)
    const isLast = found.length === page.length || last === undefined
    return { nodes: await toRoll(deps, page), nextPageToken: isLast ? '' : encodeCursor([last.hostname, last.id]) }
  }
}

function fitting(nodes: readonly StoredNode[]): StoredNode[] {
  let bytes = 0
  const end = nodes.findIndex(({ labels }) => {
    bytes += BYTES_BESIDE_LABELS + JSON.stringify(labels).length
    return bytes > MAX_PAGE_BYTES
  })
  return end === -1 ? [...nodes] : nodes.slice(0, Math.max(end, 1))
}
