import { print, styleFor, table } from '@muster/cli-kit/print'
import { messageOf } from '@muster/domain'
import { defineCommand, FORMAT } from '../../cli/command.ts'
import { identityJson } from '../../identity/identity-json.ts'
import { openStore, type IdentityStore } from '../../identity/identity-store.ts'
import { readOperator } from '../../identity/operator-identity.ts'
import { safeText } from '@muster/domain/safe-text'
import { clusterColumns, type Login } from './columns.ts'

/** Lists the clusters that this person is logged in to, by name. Calls no server. */
export const clustersLs = defineCommand({
  options: { format: FORMAT },
  examples: [
    ['$0 clusters ls', 'each login with its name and end'],
    [`$0 clusters ls --format=json | jq -r '.[] | select(.current) | .cluster_name'`, 'the current one'],
  ],
  async run({ format }, { io, now }) {
    const store = openStore(io)
    const found: Login[] = []
    for (const name of await store.clusters()) {
      try {
        found.push(await rowOf(store, name))
      } catch (error) {
        io.stderr.write(`musterctl: warning: ${safeText(messageOf(error))}\n`)
      }
    }
    await print(io, format, found, () => {
      if (found.length > 0) io.stdout.write(table(clusterColumns(now()), found, styleFor(io.stdout, io.env)))
      else
        io.stderr.write(
          "Not logged in to any cluster. An admin's 'musterctl users add' prints the command that logs you in.\n",
        )
    })
  },
})

async function rowOf(store: IdentityStore, name: string): Promise<Login> {
  const operator = await readOperator(store.folderOf(name), '')
  if (operator === undefined) throw new Error(`${store.folderOf(name)} holds no identity`)
  // The name that --cluster takes, even if a folder was moved.
  return { ...identityJson(operator), cluster_name: name, current: (await store.current()) === name }
}
