import type { users } from '@muster/contracts'
import { decodeCursor, encodeCursor, parsePageSize } from '@muster/domain'
import type { UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { toUser } from './to-user.ts'
import { selectUsers } from './store/people.ts'

/** A page of users by name. */
export function listUsers({ pool }: Deps): UnaryHandler<users.ListUsersRequest, users.ListUsersResponse> {
  return async (request) => {
    const size = parsePageSize(request.pageSize)
    const after = decodeCursor(request.pageToken, 1)?.[0]
    const found = await selectUsers(pool, { size: size + 1, after })
    const page = found.slice(0, size)
    const nextPageToken = found.length > size ? encodeCursor([page.at(-1)!.name]) : ''
    return { users: page.map(toUser), nextPageToken }
  }
}
