import type { token } from '@muster/contracts'
import {
  decodeCursor,
  encodeCursor,
  invalid,
  isTimestamp,
  parseLabels,
  parseNodeRoles,
  parsePageSize,
} from '@muster/domain'
import type { UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { selectTokens, type Page, type TokenFilter } from '../store/token-list.ts'
import { STATES, toProto, TYPES, type StoredToken } from '../store/tokens.ts'

/** A page of tokens of every type. By default it lists the tokens that can still admit a newcomer. */
export function listTokens({
  pool,
  staticTokens,
}: Deps): UnaryHandler<token.ListTokensRequest, token.ListTokensResponse> {
  return async (request) => {
    const filter = parseFilter(request)
    const size = parsePageSize(request.pageSize)
    const after = parseCursor(request.pageToken)
    const found = await selectTokens(pool, staticTokens.configured, filter, { size: size + 1, after })
    const page = found.slice(0, size)
    const last = page.at(-1)
    const isLast = found.length <= size || last === undefined
    return { tokens: page.map(toProto), nextPageToken: isLast ? '' : cursorOf(last) }
  }
}

function parseFilter({ types, states, roles, labels, used }: token.ListTokensRequest): TokenFilter {
  return {
    types: parseEnums(types, TYPES, 'types'),
    states: states.length === 0 ? ['live'] : parseEnums(states, STATES, 'states'),
    roles: roles.length === 0 ? [] : parseNodeRoles(roles),
    labels: parseLabels(labels),
    used,
  }
}

function parseEnums<Name extends string>(
  wanted: readonly number[],
  known: Record<Name, number>,
  field: string,
): Name[] {
  const names = Object.keys(known) as Name[]
  return [...new Set(wanted)].map((value) => {
    const name = names.find((n) => known[n] === value)
    if (name === undefined) throw invalid(field, `${value} is not known`)
    return name
  })
}

const NEVER = 'never'

function cursorOf({ expiresAt, id }: StoredToken): string {
  return encodeCursor([expiresAt?.toISOString() ?? NEVER, id])
}

function parseCursor(pageToken: string): Page['after'] {
  const cursor = decodeCursor(pageToken, 2)
  if (cursor === undefined) return undefined
  const [time = '', id = ''] = cursor
  if (time === NEVER) return { expiresAt: undefined, id }
  const expiresAt = new Date(time)
  if (!isTimestamp(expiresAt)) throw invalid('page_token', 'was not made by this service')
  return { expiresAt, id }
}
