import { CliError } from '@muster/cli-kit'
import { print } from '@muster/cli-kit/print'
import { defineCommand, FORMAT } from '../cli/command.ts'
import { refuseIdentityFlag } from '../identity/identity-flags.ts'
import { openStore } from '../identity/identity-store.ts'
import { notLoggedIn } from '../identity/identity.ts'
import { readOperator } from '../identity/operator-identity.ts'

/** Deletes the key and certificate that `login` stored. Does not tell the servers. */
export const logout = defineCommand({
  options: { format: FORMAT },
  examples: [
    ['$0 logout', 'from the current cluster'],
    ['$0 logout --cluster prod.example.com', 'from another'],
  ],
  async run(args, { io }) {
    refuseIdentityFlag(args)
    const store = openStore(io)
    const clusterName = (args as { cluster?: string }).cluster ?? (await store.current())
    if (clusterName === undefined) {
      throw new CliError(
        'no current cluster to log out of',
        "'musterctl clusters ls' lists your logins; name one with --cluster.",
      )
    }
    if (!(await store.has(clusterName))) throw notLoggedIn(clusterName)
    const folder = store.folderOf(clusterName)
    // A damaged identity can be deleted too.
    const operator = await readOperator(folder, '').catch(() => undefined)
    await store.remove(clusterName)
    const data = { cluster_name: clusterName, name: operator?.name ?? null, folder }
    await print(io, args.format, data, () => {
      const name = operator?.name ?? 'NAME'
      io.stdout.write(
        `Logged out of ${clusterName}: the key and certificate in ${folder} are deleted.\n` +
          `Copies of them still work. An admin can end the identity on the servers with 'musterctl users rm ${name}' or 'musterctl users reset ${name}'.\n`,
      )
    })
  },
})
