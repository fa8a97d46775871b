import { UsageError } from '@muster/cli-kit'
import { printList } from '@muster/cli-kit/print'
import { token } from '@muster/contracts'
import { NODE_ROLES, type NodeRole, parseLabelList, printable } from '@muster/domain'
import { PAGE_SIZE, pagesOf } from '../../cluster/all-pages.ts'
import { asUsage } from '../../documents/as-usage.ts'
import { defineCommand, FORMAT } from '../../cli/command.ts'
import { tokenColumns } from './columns.ts'
import { tokenJson } from './json.ts'

/** Lists join, signup and static tokens, soonest expiry first; by default those that can still admit someone. */
export const tokensLs = defineCommand({
  options: {
    type: {
      type: 'string',
      value: 'TYPES',
      names: 'token-type',
      describe: `Tokens for these types: ${NODE_ROLES.join(', ')}; or of these kinds: join, signup, static; separate several with commas`,
    },
    labels: { type: 'string', describe: 'Tokens with all of these labels: k=v,k=v' },
    used: { type: 'boolean', describe: 'Tokens that have admitted someone, including used up ones' },
    expired: { type: 'boolean', describe: 'Tokens that no longer admit anyone: expired, used up or revoked' },
    format: FORMAT,
  },
  examples: [
    ['$0 tokens ls', 'tokens that can still admit someone'],
    ['$0 tokens ls --type=proxy,static --labels=env=prod', 'static tokens for proxies with this label'],
    ['$0 tokens ls --expired --used', 'tokens that were used and no longer work'],
    [`$0 tokens ls --format=json | jq -r '.[].id'`, 'the ids, for programs'],
  ],
  async run(args, { io, now, cluster }) {
    const filter = {
      ...parseTypes(args.type),
      labels: asUsage(() => parseLabelList(args.labels ?? '', '--labels')),
      states: statesOf(args),
      used: args.used ?? false,
    }
    const { tokens } = await cluster()
    const pages = pagesOf(async (pageToken) => {
      const page = await tokens.listTokens({ ...filter, pageSize: PAGE_SIZE, pageToken })
      return { items: page.tokens, next: page.nextPageToken }
    })
    const isFiltered = [args.type, args.labels, args.used, args.expired].some((flag) => flag !== undefined)
    await printList(io, args.format, pages, {
      json: tokenJson,
      columns: (first) => tokenColumns(first, now()),
      none: isFiltered
        ? "No token matches. 'musterctl tokens ls' lists those that can admit someone; --expired lists the others."
        : "No active tokens. 'musterctl tokens add --type=node' creates one.",
    })
  },
})

const { TokenState, TokenType } = token
const KINDS = { join: TokenType.JOIN, signup: TokenType.SIGNUP, static: TokenType.STATIC } as const

/** Reads a list of roles and kinds. A token matches if it is of one of the kinds and admits one of the roles; none means all. */
function parseTypes(text: string | undefined): { types: token.TokenType[]; roles: NodeRole[] } {
  const types = new Set<token.TokenType>()
  const roles = new Set<NodeRole>()
  for (const word of (text ?? '').split(',').map((part) => part.trim().toLowerCase())) {
    const role = NODE_ROLES.find((known) => known === word)
    if (role !== undefined) roles.add(role)
    else if (Object.hasOwn(KINDS, word)) types.add(KINDS[word as keyof typeof KINDS])
    else if (word !== '') {
      throw new UsageError(
        `--type: ${printable(word)} is not known; valid values: ${[...NODE_ROLES, ...Object.keys(KINDS)].join(', ')}`,
      )
    }
  }
  if (types.has(TokenType.SIGNUP) && roles.size > 0) {
    throw new UsageError('--type: signup tokens admit people, so ask for them without the types of nodes')
  }
  return { types: [...types], roles: [...roles] }
}

/** `--used` includes used up tokens: they have been used most. */
function statesOf({
  expired,
  used,
}: {
  expired?: boolean | undefined
  used?: boolean | undefined
}): token.TokenState[] {
  if (expired) return [TokenState.EXPIRED, TokenState.USED_UP, TokenState.REVOKED]
  return used ? [TokenState.LIVE, TokenState.USED_UP] : []
}
