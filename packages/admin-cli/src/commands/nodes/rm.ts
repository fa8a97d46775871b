import { UsageError } from '@muster/cli-kit'
import { print } from '@muster/cli-kit/print'
import { safeText } from '@muster/domain/safe-text'
import { defineCommand, FORMAT } from '../../cli/command.ts'
import { removeEach, reportRemoval } from '../../cluster/removal.ts'
import { findNodeId, parseNodeReference } from './node-argument.ts'

/** Removes nodes. Continues after a refusal; the exit status is then 1. */
export const nodesRm = defineCommand({
  options: { format: FORMAT },
  examples: [
    ['$0 nodes rm web-01', 'by host name, if no other node has the same'],
    ['$0 nodes rm 6805dda3-779e-493b-8a6b-0d9a3f2f7e11', 'by id, as nodes ls shows it'],
    ['$0 nodes rm 6805dda3 0b7a7c3e', 'several, by at least 8 characters of each id'],
  ],
  async run({ format, positionals }, { io, cluster }) {
    if (positionals.length === 0) {
      throw new UsageError("which node? give its id or host name, as 'musterctl nodes ls' shows it")
    }
    const wanted = positionals.map(parseNodeReference)
    const services = await cluster()
    const removal = await removeEach(
      wanted,
      async (reference) => {
        const nodeId = await findNodeId(reference, services)
        const { node } = await services.registration.removeNode({ nodeId })
        return { id: nodeId, hostname: node?.hostname ?? '' }
      },
      (reference) => reference,
    )
    const data = removal.removed.map((node) => ({ ...node, deleted: true }))
    await print(io, format, data, () => {
      removal.removed.forEach(({ id, hostname }) =>
        io.stdout.write(safeText(`Node ${hostname} (${id}) is removed; it needs a new token to come back`) + '\n'),
      )
    })
    return reportRemoval(io, removal)
  },
})
