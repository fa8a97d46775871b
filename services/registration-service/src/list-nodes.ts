import type { registration } from '@muster/contracts'
import { decodeCursor, encodeCursor, parseNodeId, parsePageSize } from '@muster/domain'
import type { UnaryHandler } from '@muster/rpc'
import type { Deps } from './deps.ts'
import { selectNodes } from './nodes.ts'
import { toRoll } from './roll.ts'

/** A page of the roll. */
export function listNodes(deps: Deps): UnaryHandler<registration.ListNodesRequest, registration.ListNodesResponse> {
  return async (request) => {
    const size = parsePageSize(request.pageSize)
    const cursor = decodeCursor(request.pageToken, 2)
    const after = cursor && { hostname: cursor[0]!, id: parseNodeId(cursor[1]!, 'page_token') }
    const found = await selectNodes(deps.pool, { size: size + 1, after })
    const page = found.slice(0, size)
    const last = page.at(-1)
    const isLast = found.length <= size || last === undefined
    return { nodes: await toRoll(deps, page), nextPageToken: isLast ? '' : encodeCursor([last.hostname, last.id]) }
  }
}
