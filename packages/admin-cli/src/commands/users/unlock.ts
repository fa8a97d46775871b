import { defineCommand, FORMAT } from '../../cli/command.ts'
import { changeEach } from '../bans/change-each.ts'
import { parseUserName } from './flags.ts'
import { userJson, userStateOf } from './json.ts'

/** Lifts the locks of people. Continues after a refusal; the exit status is then 1. */
export const usersUnlock = defineCommand({
  options: { format: FORMAT },
  examples: [['$0 users unlock ada', 'the key that ada signed up with works again']],
  async run({ format, positionals }, context) {
    return changeEach({ format, positionals }, context, {
      noneGiven: "which user? give a name, as 'musterctl users ls' shows it",
      parse: (name) => parseUserName([name]),
      change: async ({ users }, name) => (await users.unlockUser({ name })).user,
      json: userJson,
      line: (user) => `User ${user.name} is not locked out; the state is ${userStateOf(user)}`,
    })
  },
})
