import { print } from '@muster/cli-kit/print'
import { defineCommand, FORMAT } from '../../cli/command.ts'
import { parseUserName, parseUserRoles, USER_ROLES } from './flags.ts'
import { userJson } from './json.ts'

/** Gives a person other roles in place of those they have. */
export const usersUpdate = defineCommand({
  options: { roles: USER_ROLES, format: FORMAT },
  examples: [['$0 users update ada --roles=viewer', 'ada may only look from now on']],
  async run({ format, positionals, roles: typed }, { io, cluster }) {
    const name = parseUserName(positionals)
    const roles = parseUserRoles(typed)
    const { users } = await cluster()
    const { user } = await users.updateUser({ name, roles })
    if (user === undefined) throw new Error('registration-service answered without a user')
    await print(io, format, userJson(user), () => {
      io.stdout.write(
        `User ${user.name} has these roles now: ${user.roles.join(', ')}.\n` +
          `What was taken away is gone. What was given comes with the next renewal, which musterctl asks for when it is needed.\n`,
      )
    })
  },
})
