import { isNodeId, printable } from '@muster/domain'
import { PAGE_SIZE, pagesOf } from '../all-pages.ts'
import type { Cluster } from '../cluster.ts'
import { defineCommand, FORMAT } from '../command.ts'
import { CliError, UsageError } from '../errors.ts'
import { print } from '../print.ts'
import { removeEach, reportRemoval } from '../removal.ts'
import { safeText } from '@muster/domain/safe-text'

/** Takes nodes off the roll by id or the beginning of one. Goes on after one that is refused; then the exit status is 1. */
export const nodesRm = defineCommand({
  options: { format: FORMAT },
  examples: [
    ['$0 nodes rm 6805dda3-779e-493b-8a6b-0d9a3f2f7e11', 'by id, as nodes ls shows it'],
    ['$0 nodes rm 6805dda3 0b7a7c3e', 'several, by at least 8 characters of each'],
  ],
  async run({ format, positionals }, { io, cluster }) {
    if (positionals.length === 0) throw new UsageError("which node? give its id, as 'musterctl nodes ls' shows it")
    const wanted = positionals.map(parseIdPrefix)
    const { registration } = await cluster()
    const found = await findByPrefix(
      wanted.filter((id) => !isNodeId(id)),
      registration,
    )
    const removal = await removeEach(
      wanted,
      async (id) => {
        const nodeId = isNodeId(id) ? id : onlyOne(found.get(id) ?? [])
        const { node } = await registration.removeNode({ nodeId })
        return { id: nodeId, hostname: node?.hostname ?? '' }
      },
      (id) => id,
    )
    const data = removal.removed.map((node) => ({ ...node, deleted: true }))
    await print(io, format, data, () => {
      removal.removed.forEach(({ id, hostname }) =>
        io.stdout.write(safeText(`Node ${hostname} (${id}) is off the roll; it comes back only by a token`) + '\n'),
      )
    })
    return reportRemoval(io, removal)
  },
})

const LEAST_CHARACTERS = 8

/** At least 8 characters of a node id. A host name is none: two nodes may have the same. */
function parseIdPrefix(text: string): string {
  const id = text.toLowerCase()
  if (/^[0-9a-f-]{8,36}$/.test(id) && FULL_FORM.startsWith(id.replaceAll(/[0-9a-f]/g, 'x'))) return id
  throw new UsageError(
    `${printable(text)} is not a node id, nor at least ${LEAST_CHARACTERS} characters of one; 'musterctl nodes ls' shows them`,
  )
}

const FULL_FORM = 'xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx'

/** The ids that begin like each prefix, two at most. Reads the whole roll, page by page. */
async function findByPrefix(
  prefixes: readonly string[],
  registration: Cluster['registration'],
): Promise<Map<string, string[]>> {
  const found = new Map(prefixes.map((prefix): [string, string[]] => [prefix, []]))
  if (found.size === 0) return found
  const pages = pagesOf(async (pageToken) => {
    const page = await registration.listNodes({ pageSize: PAGE_SIZE, pageToken, tokenId: '' })
    return { items: page.nodes.map(({ id }) => id), next: page.nextPageToken }
  })
  for await (const ids of pages) {
    for (const [prefix, matches] of found) {
      for (const id of ids) if (matches.length < 2 && id.startsWith(prefix)) matches.push(id)
    }
  }
  return found
}

function onlyOne([id, another]: readonly string[]): string {
  if (id === undefined) throw new CliError('no such node', "'musterctl nodes ls' shows those there are.")
  if (another !== undefined) throw new CliError('more than one node id begins so; give more of it')
  return id
}
