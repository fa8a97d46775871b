import { defineCommand, FORMAT } from '../../cli/command.ts'
import { printSignup } from './print-signup.ts'
import { parseSignupTtl, parseUserName, SIGNUP_TTL } from './flags.ts'

/** Ends a person's identity at once and creates a token to sign up again. Prints what `users add` prints. */
export const usersReset = defineCommand({
  options: {
    ttl: SIGNUP_TTL,
    format: { ...FORMAT, default: undefined, describe: 'text: the signup token alone; json, yaml: everything' },
  },
  examples: [
    ['$0 users reset ada', 'ada lost a laptop, or the session has ended'],
    ['$0 users reset ada --ttl=1d', 'with a day to sign up'],
  ],
  async run(args, context) {
    const name = parseUserName(args.positionals)
    const ttlSeconds = parseSignupTtl(args.ttl)
    await printSignup(
      { ...args, ttlSeconds },
      context,
      ({ users }) => users.resetUser({ name, signupTtlSeconds: ttlSeconds }),
      (user) => `User ${user.name} is reset: the old identity no longer works, and ${user.name} can sign up again.`,
    )
  },
})
