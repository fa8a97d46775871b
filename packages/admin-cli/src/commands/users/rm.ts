import { UsageError } from '@muster/cli-kit'
import { print } from '@muster/cli-kit/print'
import { defineCommand, FORMAT } from '../../cli/command.ts'
import { removeEach, reportRemoval } from '../../cluster/removal.ts'
import { parseUserName } from './flags.ts'

/** Removes people; every service rejects them from then on. Continues after a refusal; the exit status is then 1. */
export const usersRm = defineCommand({
  options: { format: FORMAT },
  examples: [
    ['$0 users rm ada', 'ada is rejected at once, on open connections too'],
    ['$0 users rm ada bob', 'several at once'],
  ],
  async run({ format, positionals }, { io, cluster }) {
    if (positionals.length === 0) throw new UsageError("which user? give a name, as 'musterctl users ls' shows it")
    const names = positionals.map((name) => parseUserName([name]))
    const { users } = await cluster()
    const removal = await removeEach(
      names,
      async (name) => (await users.removeUser({ name })).user?.name ?? name,
      (name) => name,
    )
    const data = removal.removed.map((name) => ({ name, deleted: true }))
    await print(io, format, data, () => {
      removal.removed.forEach((name) => io.stdout.write(`User ${name} is removed\n`))
    })
    return reportRemoval(io, removal)
  },
})
