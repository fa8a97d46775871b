import { CliError, UsageError, type Io, type Format } from '@muster/cli-kit'
import { print, toYaml, printList, type Column } from '@muster/cli-kit/print'
import type { token } from '@muster/contracts'
import { PAGE_SIZE, pagesOf } from '../cluster/all-pages.ts'
import { listUsers } from '../documents/apply.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { defineCommand, FORMAT } from '../cli/command.ts'
import { nodeColumns } from './nodes/columns.ts'
import { nodePages } from './nodes/filter.ts'
import { NO_NODES } from './nodes/ls.ts'
import { findNode } from './nodes/node-argument.ts'
import {
  nodeResource,
  parseKind,
  parseResourceName,
  tokenResource,
  userResource,
  type Kind,
  type Resource,
} from '../documents/resources.ts'
import { tokenColumns } from './tokens/columns.ts'
import { tokenTypeOf } from './tokens/json.ts'
import { userColumns } from './users/columns.ts'

/** Prints join tokens without their secrets, nodes, and people, as the documents that `create` reads. */
export const get = defineCommand({
  options: { format: { ...FORMAT, describe: 'yaml: documents that create takes; json: the same' } },
  examples: [
    ['$0 get tokens', 'the join tokens that work now'],
    ['$0 get tokens ci -o yaml', 'one by name, as a document without its secret'],
    ['$0 get users -o yaml > users.yaml', 'everyone, in a file for create'],
  ],
  async run({ format, positionals: [kindText, name, ...others] }, context) {
    if (kindText === undefined) throw new UsageError('which kind? valid values: tokens, nodes, users')
    if (others.length > 0) throw new UsageError('one name at a time')
    const kind = parseKind(kindText)
    const checkedName = name === undefined ? undefined : parseResourceName(kind, name)
    const services = await context.cluster()
    await SHOW[kind](services, checkedName, { format, io: context.io, now: context.now() })
  },
})

/** How and where to print. */
interface Out {
  format: Format
  io: Io
  now: Date
}

const SHOW: Record<Kind, (services: Cluster, name: string | undefined, out: Out) => Promise<void>> = {
  token: showTokens,
  node: showNodes,
  user: showUsers,
}

async function showTokens({ tokens }: Cluster, name: string | undefined, out: Out): Promise<void> {
  const style = {
    resource: tokenResource,
    columns: tokenColumns,
    none: "No active join tokens. 'musterctl tokens add --type=node' creates one.",
  }
  if (name !== undefined) {
    const { token: made } = await tokens.getToken({ idOrName: name })
    return showOne(made === undefined ? undefined : joinToken(made, name), style, out)
  }
  const { token: contract } = await import('@muster/contracts')
  const filter = { types: [contract.TokenType.JOIN], roles: [], labels: {}, states: [], used: false }
  const pages = pagesOf(async (pageToken) => {
    const page = await tokens.listTokens({ ...filter, pageSize: PAGE_SIZE, pageToken })
    return { items: page.tokens, next: page.nextPageToken }
  })
  await showAll(pages, style, out)
}

/** Only join tokens have documents: a static token comes from configuration, a signup token from `users add`. */
function joinToken(made: token.Token, name: string): token.Token {
  const type = tokenTypeOf(made)
  if (type === 'join') return made
  throw new CliError(`${name} is a ${type} token, which has no document`, `'musterctl tokens show ${name}' shows it.`)
}

async function showNodes(services: Cluster, name: string | undefined, out: Out): Promise<void> {
  const style = {
    resource: nodeResource,
    columns: (_first: unknown, now: Date) => nodeColumns(now),
    none: NO_NODES,
  }
  if (name === undefined) return showAll(nodePages(services), style, out)
  await showOne(await findNode(name, services), style, out)
}

async function showUsers({ users: people }: Cluster, name: string | undefined, out: Out): Promise<void> {
  const style = {
    resource: userResource,
    columns: (_first: unknown, now: Date) => userColumns(now),
    none: 'No users yet.',
  }
  const everyone = await listUsers(people)
  if (name === undefined) return showAll(onePage(everyone), style, out)
  await showOne(
    everyone.find((user) => user.name === name),
    style,
    out,
  )
}

/** How to print resources of one kind. */
interface Style<T> {
  resource: (item: T) => Resource
  columns: (first: readonly T[], now: Date) => Column<T>[]
  none: string
}

async function showAll<T>(pages: AsyncIterable<T[]>, style: Style<T>, { format, io, now }: Out): Promise<void> {
  const { resource, columns, none } = style
  if (format !== 'yaml') {
    return printList(io, format, pages, { json: resource, columns: (first) => columns(first, now), none })
  }
  // One document for each, as create reads them.
  for await (const items of pages) {
    for (const item of items) io.stdout.write(`---\n${await toYaml(resource(item))}`)
  }
}

async function showOne<T>(item: T | undefined, style: Style<T>, out: Out): Promise<void> {
  if (item === undefined) throw new CliError('no user has that name', "'musterctl get' without a name shows all.")
  if (out.format === 'text') await showAll(onePage([item]), style, out)
  else await print(out.io, out.format, style.resource(item), () => {})
}

async function* onePage<T>(items: T[]): AsyncGenerator<T[]> {
  yield items
}
