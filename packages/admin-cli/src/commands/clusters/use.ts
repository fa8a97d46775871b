import { UsageError } from '@muster/cli-kit'
import { print } from '@muster/cli-kit/print'
import { defineCommand, FORMAT } from '../../cli/command.ts'
import { openStore } from '../../identity/identity-store.ts'
import { notLoggedIn } from '../../identity/identity.ts'

/** Makes a cluster the current one, which commands use by default. Calls no server. */
export const clustersUse = defineCommand({
  options: { format: FORMAT },
  examples: [['$0 clusters use prod.example.com', 'for all commands from now on']],
  async run({ format, positionals }, { io }) {
    const [clusterName, ...others] = positionals
    if (clusterName === undefined)
      throw new UsageError("which cluster? give its name, as 'musterctl clusters ls' shows it")
    if (others.length > 0) throw new UsageError('one cluster at a time')
    const store = openStore(io)
    if (!(await store.has(clusterName))) throw notLoggedIn(clusterName)
    const previous = await store.current()
    await store.use(clusterName)
    await print(io, format, { cluster_name: clusterName, previous: previous ?? null }, () => {
      io.stdout.write(`${clusterName} is now the current cluster\n`)
    })
  },
})
