import { messageOf } from '@muster/domain'
import { defineCommand, FORMAT } from '../../cli/command.ts'
import { identityJson } from '../../identity/identity-json.ts'
import { openStore, type IdentityStore } from '../../identity/identity-store.ts'
import { isOver, mustComeBack, readOperator } from '../../identity/operator-identity.ts'
import { print } from '../../cli/print.ts'
import { safeText } from '@muster/domain/safe-text'
import { paint, styleFor, table, type Column } from '../../cli/table.ts'
import { utcTimeAndDistance } from '../../cli/times.ts'

/** Lists the clusters that this person is logged in to, by name. Asks no server. */
export const clustersLs = defineCommand({
  options: { format: FORMAT },
  examples: [
    ['$0 clusters ls', 'where you are logged in, as whom, and until when'],
    [`$0 clusters ls --format=json | jq -r '.[] | select(.current) | .cluster_name'`, 'the current one'],
  ],
  async run({ format }, { io, now }) {
    const store = openStore(io)
    const found: Row[] = []
    for (const name of await store.clusters()) {
      try {
        found.push(await rowOf(store, name))
      } catch (error) {
        io.stderr.write(`musterctl: warning: ${safeText(messageOf(error))}\n`)
      }
    }
    await print(io, format, found, () => {
      if (found.length > 0) io.stdout.write(table(columns(now()), found, styleFor(io.stdout, io.env)))
      else
        io.stderr.write(
          "You are logged in nowhere. An admin's 'musterctl users add' prints the command that does it.\n",
        )
    })
  },
})

type Row = ReturnType<typeof identityJson> & { current: boolean }

async function rowOf(store: IdentityStore, name: string): Promise<Row> {
  const operator = await readOperator(store.folderOf(name), '')
  if (operator === undefined) throw new Error(`${store.folderOf(name)} holds no identity`)
  // The name that --cluster takes, should somebody have moved a folder.
  return { ...identityJson(operator), cluster_name: name, current: (await store.current()) === name }
}

function columns(now: Date): Column<Row>[] {
  const times = ({ certificate_expires_at: expiresAt, session_expires_at: end }: Row) => ({
    expiresAt,
    sessionExpiresAt: end ?? undefined,
  })
  const until = (end: Date | null) => (end === null ? '' : end > now ? utcTimeAndDistance(end, now) : 'expired')
  return [
    { title: 'Current', text: ({ current }) => (current ? '*' : '') },
    { title: 'Cluster', text: ({ cluster_name: name }) => name },
    { title: 'User', text: ({ name }) => name },
    { title: 'Roles', text: ({ roles }) => roles.join(',') },
    {
      title: 'Certificate',
      text: (row) =>
        mustComeBack(times(row), now) ? 'renewed with the next command' : until(row.certificate_expires_at),
      paint: (cell, row) => (isOver(times(row), now) ? paint.red(cell) : cell),
    },
    { title: 'Session', text: ({ session_expires_at: end }) => until(end) },
    { title: 'Address', text: ({ auth_server: address }) => address, flexible: true },
  ]
}
