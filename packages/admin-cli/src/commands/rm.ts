import { UsageError } from '@muster/cli-kit'
import { print } from '@muster/cli-kit/print'
import type { Cluster } from '../cluster/cluster.ts'
import { defineCommand, FORMAT } from '../cli/command.ts'
import { removeEach, reportRemoval } from '../cluster/removal.ts'
import { findNodeId } from './nodes/node-argument.ts'
import { parseKind, parseResourceName, type Kind } from '../documents/resources.ts'

/** Removes tokens, nodes and people by KIND/NAME. Continues after a refusal; the exit status is then 1. */
export const rm = defineCommand({
  options: { format: FORMAT },
  examples: [
    ['$0 rm token/ci user/ada', 'a token and a person, by name'],
    ['$0 rm node/web-01 node/6805dda3', 'nodes, by host name and by the beginning of an id'],
  ],
  async run({ format, positionals }, { io, cluster }) {
    if (positionals.length === 0) throw new UsageError('which resource? give KIND/NAME, such as token/ci')
    const wanted = positionals.map(parseReference)
    const services = await cluster()
    const removal = await removeEach(
      wanted,
      async ({ kind, name }) => {
        await REMOVE[kind](services, name)
        return { kind, name, deleted: true }
      },
      ({ kind, name }) => `${kind}/${name}`,
    )
    await print(io, format, removal.removed, () => {
      removal.removed.forEach(({ kind, name }) => io.stdout.write(`${kind}/${name} deleted\n`))
    })
    return reportRemoval(io, removal)
  },
})

interface Reference {
  kind: Kind
  name: string
}

function parseReference(text: string, index: number): Reference {
  const slash = text.indexOf('/')
  // Do not repeat it: it may be a token.
  if (slash < 1) throw new UsageError(`argument ${index + 1} is not KIND/NAME, such as token/ci or user/ada`)
  const kind = parseKind(text.slice(0, slash))
  return { kind, name: parseResourceName(kind, text.slice(slash + 1)) }
}

const REMOVE: Record<Kind, (services: Cluster, name: string) => Promise<unknown>> = {
  token: ({ tokens }, idOrValue) => tokens.revokeToken({ idOrValue }),
  node: async (services, reference) =>
    services.registration.removeNode({ nodeId: await findNodeId(reference, services) }),
  user: ({ users }, name) => users.removeUser({ name }),
}
