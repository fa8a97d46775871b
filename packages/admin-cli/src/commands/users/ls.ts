import { printList } from '@muster/cli-kit/print'
import { PAGE_SIZE, pagesOf } from '../../cluster/all-pages.ts'
import { defineCommand, FORMAT } from '../../cli/command.ts'
import { userColumns } from './columns.ts'
import { userJson } from './json.ts'

/** Lists everyone who may operate the cluster, by name. */
export const usersLs = defineCommand({
  options: { format: FORMAT },
  examples: [
    ['$0 users ls', 'everyone who may operate the cluster'],
    [`$0 users ls --format=json | jq -r '.[] | select(.roles | index("admin")) | .name'`, 'the admins'],
  ],
  async run({ format }, { io, now, cluster }) {
    const { users } = await cluster()
    const pages = pagesOf(async (pageToken) => {
      const page = await users.listUsers({ pageSize: PAGE_SIZE, pageToken })
      return { items: page.users, next: page.nextPageToken }
    })
    await printList(io, format, pages, {
      json: userJson,
      columns: () => userColumns(now()),
      none: "No users yet. 'musterctl users add NAME --roles=admin' adds the first.",
    })
  },
})
