import { utcTimeAndDistance, paint, type Column, timeAgo, utcTime } from '@muster/cli-kit/print'
import type { users } from '@muster/contracts'
import { userStateOf, type State } from './json.ts'

const COLOUR: Record<State, (text: string) => string> = {
  active: paint.green,
  invited: paint.yellow,
  unknown: paint.yellow,
  expired: paint.red,
  locked: paint.red,
}

/** The columns of a table of people. */
export function userColumns(now: Date): Column<users.User>[] {
  return [
    { title: 'Name', text: ({ name }) => name },
    { title: 'Roles', text: ({ roles }) => roles.join(',') },
    { title: 'State', text: userStateOf, paint: (cell, user) => COLOUR[userStateOf(user)](cell) },
    { title: 'Created', text: ({ createdAt }) => (createdAt === undefined ? '' : utcTime(createdAt)), rank: 3 },
    {
      title: 'Last Seen',
      text: ({ lastSeenAt }) => (lastSeenAt === undefined ? 'never' : timeAgo(lastSeenAt, now)),
      rank: 1,
    },
    {
      title: 'Session Ends',
      text: ({ sessionExpiresAt: end }) => (end === undefined ? '' : utcTimeAndDistance(end, now)),
      rank: 2,
    },
  ]
}
