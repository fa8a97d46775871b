import type { token } from '@muster/contracts'
import { decodeCursor, encodeCursor, invalid, parsePageSize } from '@muster/domain'
import type { UnaryHandler } from '@muster/rpc'
import type { Deps } from './deps.ts'
import { selectLiveTokens, toProto } from './tokens.ts'

/** A page of the tokens that can still admit someone. */
export function listTokens({ pool }: Deps): UnaryHandler<token.ListTokensRequest, token.ListTokensResponse> {
  return async (request) => {
    const size = parsePageSize(request.pageSize)
    const cursor = decodeCursor(request.pageToken, 2)
    const after = cursor && { expiresAt: parseDate(cursor[0]!), id: cursor[1]! }
    const found = await selectLiveTokens(pool, { size: size + 1, after })
    const page = found.slice(0, size)
    const last = page.at(-1)
    const isLast = found.length <= size || last === undefined
    return {
      tokens: page.map(toProto),
      nextPageToken: isLast ? '' : encodeCursor([last.expiresAt.toISOString(), last.id]),
    }
  }
}

function parseDate(text: string): Date {
  const date = new Date(text)
  if (Number.isNaN(date.getTime())) throw invalid('page_token', 'was not made by this service')
  return date
}
