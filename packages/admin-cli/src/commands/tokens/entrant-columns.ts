import { type Column, utcTimeAndDistance } from '@muster/cli-kit/print'
import type { Entrant } from './token-entrants.ts'

/** The columns of a table of who joined with a token: nodes, bots or the person. */
export function entrantColumns(kind: Entrant['kind'], now: Date): Column<Entrant>[] {
  const when: Column<Entrant> = {
    title: kind === 'person' ? 'Signed up' : 'Joined',
    text: ({ at }) => (at === undefined ? '' : utcTimeAndDistance(at, now)),
    rank: 2,
  }
  const address: Column<Entrant> = { title: 'Address', text: (entrant) => entrant.address, rank: 1 }
  if (kind === 'person') return [{ title: 'Person', text: ({ name }) => name }, address, when]
  return [
    ...(kind === 'bot' ? [{ title: 'Bot', text: ({ name }: Entrant) => name }] : []),
    { title: 'Host', text: ({ hostname }) => hostname },
    { title: 'UUID', text: ({ id }) => id },
    address,
    when,
    { title: 'Status', text: ({ status }) => status },
  ]
}
