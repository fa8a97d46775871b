import type { Format } from '@muster/cli-kit'
import { print } from '@muster/cli-kit/print'
import type { users } from '@muster/contracts'
import type { Cluster } from '../../cluster/cluster.ts'
import type { Context } from '../../cli/command.ts'
import { identityFlags } from '../../identity/identity-flags.ts'
import { signupText } from './signup-text.ts'
import { userJson } from './json.ts'

/** What `users add` and `users reset` answer with. */
type Made = users.CreateUserResponse | users.ResetUserResponse

/** The flags of commands that print a signup token. */
export interface SignupArgs {
  format: Format | undefined
  ttlSeconds: number
}

/** Prints a signup token: the token alone as text, all of it as data, and else what to do with it, after `first`. */
export async function printSignup(
  args: SignupArgs & Readonly<Record<string, unknown>>,
  { io, cluster }: Pick<Context, 'io' | 'cluster'>,
  make: (cluster: Cluster) => Promise<Made>,
  first: (user: users.User) => string,
): Promise<void> {
  const { format, ttlSeconds } = args
  const opened = await cluster()
  // The pins first: a failure then leaves nothing behind.
  const caPins = format === 'text' ? [] : await opened.caPins()
  const { user, signupToken: token, signupTokenId: tokenId } = await make(opened)
  if (user === undefined || token === '') throw new Error('registration-service answered without a token')
  const authServer = opened.operator.profile.publicAddress
  const data = { token, token_id: tokenId, ...userJson(user), ca_pins: caPins, auth_server: authServer }
  await print(io, format ?? 'text', data, () => {
    if (format === 'text') {
      io.stdout.write(`${token}\n`)
      return
    }
    const facts = { user: user.name, token, tokenId, ttlSeconds, caPins, authServer, flags: identityFlags(args) }
    io.stdout.write(`${first(user)}\n\n${signupText(facts)}`)
  })
}
