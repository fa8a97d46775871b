import type { bots } from '@muster/contracts'
import { botStateOf, type BotState } from './json.ts'
import { paint, type Column } from '../../cli/table.ts'
import { distance, timeAgo } from '../../cli/times.ts'

const COLOUR: Record<BotState, (text: string) => string> = {
  active: paint.green,
  expired: paint.yellow,
  locked: paint.red,
  unknown: paint.yellow,
}

/** The columns of a table of bots. */
export function botColumns(now: Date): Column<bots.Bot>[] {
  return [
    { title: 'Bot', text: ({ name }) => name },
    { title: 'Id', text: ({ id }) => id, flexible: 'last' },
    { title: 'Host', text: ({ hostname }) => hostname, flexible: true },
    { title: 'Address', text: ({ remoteAddress }) => remoteAddress },
    { title: 'Generation', text: ({ generation }) => `${generation}` },
    { title: 'Renewed', text: ({ renewedAt }) => (renewedAt === undefined ? 'never' : timeAgo(renewedAt, now)) },
    { title: 'Expires', text: ({ certificateExpiresAt: at }) => (at === undefined ? '' : distance(at, now)) },
    { title: 'State', text: botStateOf, paint: (cell, bot) => COLOUR[botStateOf(bot)](cell) },
  ]
}
