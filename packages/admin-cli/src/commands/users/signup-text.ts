import { shellQuote } from '@muster/cli-kit/print'
import { durationInWords } from '@muster/domain'
import type { IdentityFlags } from '../../identity/identity-flags.ts'
import { flagsAgain } from '../../cli/flags-again.ts'
import { reachability } from '../tokens/reachability.ts'

/** The facts that the instructions for a new signup token need. */
export interface SignupFacts {
  user: string
  token: string
  tokenId: string
  ttlSeconds: number
  caPins: readonly string[]
  /** HOST:PORT of registration-service as other machines reach it. */
  authServer: string
  /** The identity flags that the user typed; the printed commands repeat them. */
  flags: IdentityFlags
}

/** Instructions for a signup token: the command that the person runs, and notes. */
export function signupText(facts: SignupFacts): string {
  const { user, tokenId, ttlSeconds, authServer, flags } = facts
  const again = flagsAgain(flags)
  const lifetime = durationInWords(ttlSeconds)
  return `Send this command to ${user}, to run once within ${lifetime} on their own machine:

${signupCommand(facts)}

Please note:

  - The first person to run it becomes ${user}: send it over a private channel
  - The key is created on that machine and never leaves it
  - ${reachability(authServer, 'there')}
  - The token is not shown again. If it is lost or has expired: musterctl users reset ${user}${again}
  - Its id is ${tokenId}; to revoke it: musterctl tokens rm ${tokenId}${again}
`
}

/** One shell command on several lines, ready to paste. */
function signupCommand({ user, token, caPins, authServer }: SignupFacts): string {
  const flags = [
    `--auth-server=${shellQuote(authServer)}`,
    ...caPins.map((pin) => `--ca-pin=${pin}`),
    `--user=${user}`,
    `--token=${shellQuote(token)}`,
  ]
  return ['musterctl login', ...flags].join(' \\\n  ')
}
