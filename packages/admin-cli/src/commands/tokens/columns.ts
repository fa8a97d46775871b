import { utcTimeAndDistance, paint, type Column } from '@muster/cli-kit/print'
import type { token } from '@muster/contracts'
import { formatLabels } from '@muster/domain'
import { tokenStateOf, tokenTypeOf, type TokenState } from './json.ts'

/** The columns of a table of tokens. Columns that are usually empty appear if a token of `first` needs them. */
export function tokenColumns(first: readonly token.Token[], now: Date): Column<token.Token>[] {
  const optional = (isNeeded: (made: token.Token) => boolean, column: Column<token.Token>) =>
    first.some(isNeeded) ? [column] : []
  return [
    { title: 'Token id', text: ({ id }) => id },
    ...optional(({ name }) => name !== '', { title: 'Name', text: ({ name }) => name, rank: 1 }),
    { title: 'Type', text: typeText },
    { title: 'Labels', text: ({ labels }) => formatLabels(labels), rank: 4 },
    { title: 'Uses', text: ({ uses, maxUses }) => (maxUses === undefined ? `${uses}` : `${uses}/${maxUses}`), rank: 3 },
    ...optional((made) => tokenStateOf(made) !== 'live', {
      title: 'State',
      text: stateText,
      rank: 2,
      paint: (cell, made) => COLOUR[tokenStateOf(made)](cell),
    }),
    { title: 'Expires', text: (made) => expiryText(made, now) },
    ...optional(({ description }) => description !== '', {
      title: 'Description',
      text: ({ description }) => description,
      rank: 5,
    }),
  ]
}

/** Who can join: `node,proxy`, `bot (ci)`, `signup (alice)`, `node (static)`. */
export function typeText(made: token.Token): string {
  const roles = made.roles.join(',')
  switch (tokenTypeOf(made)) {
    case 'signup':
      return `signup (${made.userName})`
    case 'static':
      return `${roles} (static)`
    default:
      return made.botName === '' ? roles : `${roles} (${made.botName})`
  }
}

/** `live`, `expired`, `used up`, `revoked`. */
export function stateText(made: token.Token): string {
  return tokenStateOf(made).replace('_', ' ')
}

/** When a token expires and how far away that is; `never` for a static one. */
export function expiryText({ expiresAt }: token.Token, now: Date): string {
  return expiresAt === undefined ? 'never' : utcTimeAndDistance(expiresAt, now)
}

const COLOUR: Record<TokenState, (text: string) => string> = {
  live: paint.green,
  used_up: paint.yellow,
  expired: paint.yellow,
  revoked: paint.red,
  unknown: paint.yellow,
}
