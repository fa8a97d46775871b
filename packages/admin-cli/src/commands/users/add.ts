import { defineCommand, FORMAT } from '../../cli/command.ts'
import { printSignup } from './print-signup.ts'
import { parseSignupTtl, parseUserName, parseUserRoles, SIGNUP_TTL, USER_ROLES } from './flags.ts'

/** Adds a person and creates a signup token. Without --format it prints instructions too; --format=text prints the token alone. */
export const usersAdd = defineCommand({
  options: {
    roles: USER_ROLES,
    ttl: SIGNUP_TTL,
    format: { ...FORMAT, default: undefined, describe: 'text: the signup token alone; json, yaml: everything' },
  },
  examples: [
    ['$0 users add ada --roles=operator', 'a person who creates tokens'],
    ['$0 users add bob --roles=viewer --ttl=1d', 'a person who only reads, and has a day to sign up'],
    ['token=$($0 users add eve --roles=admin --format=text)', 'in a script'],
  ],
  async run(args, context) {
    const name = parseUserName(args.positionals)
    const roles = parseUserRoles(args.roles)
    const ttlSeconds = parseSignupTtl(args.ttl)
    await printSignup(
      { ...args, ttlSeconds },
      context,
      ({ users }) => users.createUser({ name, roles, signupTtlSeconds: ttlSeconds }),
      (user) => `User ${user.name} is added: ${user.roles.join(', ')}.`,
    )
  },
})
