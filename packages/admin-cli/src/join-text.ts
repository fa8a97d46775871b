import { durationInWords } from '@muster/domain'

export interface JoinFacts {
  tokenId: string
  token: string
  roles: readonly string[]
  ttlSeconds: number
  maxUses: number | undefined
  caPins: readonly string[]
  /** HOST:PORT of registration-service as other machines reach it. */
  authServer: string
  /** The --identity that was given, which the commands shown must have too. */
  identity: string | undefined
}

/** What to do with a new token: the command to paste on the new node, and what to know about it. */
export function joinText(facts: JoinFacts): string {
  const { tokenId, token, ttlSeconds, maxUses, authServer, identity } = facts
  const lifetime = durationInWords(ttlSeconds)
  return `The invite token: ${token}
This token will expire in ${lifetime}.

Run this on the new node to join the cluster:

${joinCommand(facts)}

Please note:

  - This invitation token will expire in ${lifetime}
  - ${authServer} must be reachable from the new node
  - ${admits(maxUses)}
  - The token is not shown again. Its id is ${tokenId}; revoke it with: musterctl tokens rm ${tokenId}${identity === undefined ? '' : ` --identity ${shellQuote(identity)}`}
`
}

function admits(maxUses: number | undefined): string {
  if (maxUses === undefined) return 'It admits any number of nodes until then; --max-uses sets a limit'
  return maxUses === 1 ? 'It admits one node' : `It admits ${maxUses} nodes`
}

/** One shell command over several lines, to be pasted as it stands. */
function joinCommand({ roles, token, caPins, authServer }: JoinFacts): string {
  const flags = [
    `--roles=${roles.join(',')}`,
    `--token=${shellQuote(token)}`,
    ...caPins.map((pin) => `--ca-pin=${pin}`),
    `--auth-server=${shellQuote(authServer)}`,
  ]
  return ['muster start', ...flags].join(' \\\n  ')
}

/** A word that a POSIX shell reads as this text; in single quotes only where it needs them. */
export function shellQuote(text: string): string {
  return /^[A-Za-z0-9_./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
