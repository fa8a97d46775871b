import { distance, paint, type Column, timeAgo } from '@muster/cli-kit/print'
import type { bots } from '@muster/contracts'
import { botStateOf, type BotState } from './json.ts'

const COLOUR: Record<BotState, (text: string) => string> = {
  active: paint.green,
  expired: paint.yellow,
  locked: paint.red,
  banned: paint.red,
  unknown: paint.yellow,
}

/** The columns of a table of bots. */
export function botColumns(now: Date): Column<bots.Bot>[] {
  return [
    { title: 'Bot', text: ({ name }) => name },
    { title: 'Id', text: ({ id }) => id },
    { title: 'Host', text: ({ hostname }) => hostname, rank: 1 },
    { title: 'Address', text: ({ remoteAddress }) => remoteAddress, rank: 4 },
    { title: 'Generation', text: ({ generation }) => `${generation}`, rank: 5 },
    {
      title: 'Renewed',
      text: ({ renewedAt }) => (renewedAt === undefined ? 'never' : timeAgo(renewedAt, now)),
      rank: 3,
    },
    {
      title: 'Expires',
      text: ({ certificateExpiresAt: at }) => (at === undefined ? '' : distance(at, now)),
      rank: 2,
    },
    { title: 'State', text: botStateOf, paint: (cell, bot) => COLOUR[botStateOf(bot)](cell) },
  ]
}
