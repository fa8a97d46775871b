import { print } from '@muster/cli-kit/print'
import { defineCommand, FORMAT } from '../../cli/command.ts'
import { parseUserName, parseUserRoles, USER_ROLES } from './flags.ts'
import { userJson } from './json.ts'

/** Replaces the roles of a person. */
export const usersUpdate = defineCommand({
  options: { roles: USER_ROLES, format: FORMAT },
  examples: [['$0 users update ada --roles=viewer', 'from now on ada can only read']],
  async run({ format, positionals, roles: typed }, { io, cluster }) {
    const name = parseUserName(positionals)
    const roles = parseUserRoles(typed)
    const { users } = await cluster()
    const { user } = await users.updateUser({ name, roles })
    if (user === undefined) throw new Error('registration-service answered without a user')
    await print(io, format, userJson(user), () => {
      io.stdout.write(
        `User ${user.name} now has the roles ${user.roles.join(', ')}.\n` +
          `Removed roles no longer work. Added roles work from the next renewal; musterctl renews when a command needs them.\n`,
      )
    })
  },
})
