import { defineCommand, FORMAT } from '../../cli/command.ts'
import { BAN_FLAGS, parseBanFlags } from '../bans/ban-flags.ts'
import { banEnd } from '../bans/ban-text.ts'
import { changeEach } from '../bans/change-each.ts'
import { parseUserName } from './flags.ts'
import { userJson } from './json.ts'

/** Locks people out. Continues after a refusal; the exit status is then 1. */
export const usersLock = defineCommand({
  options: { ...BAN_FLAGS, format: FORMAT },
  examples: [
    ['$0 users lock ada', 'every service rejects ada until ada is unlocked'],
    ['$0 users lock ada --for=7d --reason="on leave"', 'for a week; ada is told why'],
  ],
  async run({ format, positionals, ...flags }, context) {
    const terms = parseBanFlags(flags)
    return changeEach({ format, positionals }, context, {
      noneGiven: "which user? give a name, as 'musterctl users ls' shows it",
      parse: (name) => parseUserName([name]),
      change: async ({ users }, name) => (await users.lockUser({ name, ...terms })).user,
      json: userJson,
      line: ({ name, lock }, now) =>
        `User ${name} is locked out ${banEnd(lock, now, `'musterctl users unlock ${name}'`)}`,
    })
  },
})
