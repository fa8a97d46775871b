import type { Format } from '@muster/cli-kit'
import { print } from '@muster/cli-kit/print'
import type { users } from '@muster/contracts'
import type { Cluster } from '../../cluster/cluster.ts'
import type { Context } from '../../cli/command.ts'
import { identityFlags } from '../../identity/identity-flags.ts'
import { signupText } from './signup-text.ts'
import { userJson } from './json.ts'

/** The response to `users add` and `users reset`. */
type Made = users.CreateUserResponse | users.ResetUserResponse

/** The flags of commands that print a signup token. */
export interface SignupArgs {
  format: Format | undefined
  ttlSeconds: number
}

/** Prints a signup token: alone as text, with all its facts as data, and by default the line `first` and instructions. */
export async function printSignup(
  args: SignupArgs & Readonly<Record<string, unknown>>,
  { io, cluster }: Pick<Context, 'io' | 'cluster'>,
  make: (cluster: Cluster) => Promise<Made>,
  first: (user: users.User) => string,
): Promise<void> {
  const { format, ttlSeconds } = args
  const opened = await cluster()
  // Read the pins first: if that fails, nothing has been created.
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
