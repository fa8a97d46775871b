import { print } from '@muster/cli-kit/print'
import { safeText } from '@muster/domain/safe-text'
import { PAGE_SIZE } from '../../cluster/all-pages.ts'
import { defineCommand, FORMAT } from '../../cli/command.ts'
import { EVERY_NODE } from './filter.ts'
import { parseIdPrefixes, removeByIdPrefix, reportRemoval } from '../../cluster/removal.ts'

/** Takes nodes off the roll by id or the beginning of one. Goes on after one that is refused; then the exit status is 1. */
export const nodesRm = defineCommand({
  options: { format: FORMAT },
  examples: [
    ['$0 nodes rm 6805dda3-779e-493b-8a6b-0d9a3f2f7e11', 'by id, as nodes ls shows it'],
    ['$0 nodes rm 6805dda3 0b7a7c3e', 'several, by at least 8 characters of each'],
  ],
  async run({ format, positionals }, { io, cluster }) {
    const wanted = parseIdPrefixes(positionals, 'node')
    const { registration } = await cluster()
    const removal = await removeByIdPrefix(wanted, {
      noun: 'node',
      async idsFrom(pageToken) {
        const page = await registration.listNodes({ ...EVERY_NODE, pageSize: PAGE_SIZE, pageToken })
        return { items: page.nodes.map(({ id }) => id), next: page.nextPageToken }
      },
      async remove(nodeId) {
        const { node } = await registration.removeNode({ nodeId })
        return { id: nodeId, hostname: node?.hostname ?? '' }
      },
    })
    const data = removal.removed.map((node) => ({ ...node, deleted: true }))
    await print(io, format, data, () => {
      removal.removed.forEach(({ id, hostname }) =>
        io.stdout.write(safeText(`Node ${hostname} (${id}) is off the roll; it comes back only by a token`) + '\n'),
      )
    })
    return reportRemoval(io, removal)
  },
})
