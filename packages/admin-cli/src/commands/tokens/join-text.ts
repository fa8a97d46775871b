import { shellQuote, paint } from '@muster/cli-kit/print'
import type { token } from '@muster/contracts'
import { durationInWords, formatInvitation, formatLabels, type NodeRole } from '@muster/domain'
import { safeText } from '@muster/domain/safe-text'
import type { InstallLine } from './install-line.ts'
import { reachability } from './reachability.ts'
import { typeHints } from './type-hints.ts'

/** The facts that the instructions for a new join token need. */
export interface JoinFacts {
  made: token.Token
  /** The secret. */
  value: string
  ttlSeconds: number
  caPins: readonly string[]
  /** HOST:PORT of registration-service as other machines reach it. */
  authServer: string
  /** Flags that the printed `musterctl` commands repeat, such as ` --cluster=NAME`. */
  flags: string
  /** The command for a machine without Muster; undefined if the cluster has no web face or no packages. */
  install: InstallLine
  /** True to print the command to paste in bold. */
  colour: boolean
}

/** Everything that a machine needs to join with a new token, as one string. */
export function invitationOf({
  made,
  value,
  caPins,
  authServer,
}: Pick<JoinFacts, 'made' | 'value' | 'caPins' | 'authServer'>) {
  return formatInvitation({ address: authServer, token: value, caPins, roles: made.roles as NodeRole[] })
}

/** Instructions for a new token: the commands to paste on the new node, and notes. */
export function joinText(facts: JoinFacts): string {
  const { made, value, ttlSeconds, colour } = facts
  const lifetime = durationInWords(ttlSeconds)
  const oneLine = `muster start ${shellQuote(invitationOf(facts))}`
  return `The invite token: ${value}
This token will expire in ${lifetime}.

Run this on the new ${made.botName === '' ? 'node' : 'machine'} to join the cluster:

${colour ? paint.bold(oneLine) : oneLine}

or the same flag by flag:

${joinCommand(facts)}
${installText(facts)}
Please note:

${notes(facts, lifetime)
  .map((note) => `  - ${safeText(note)}\n`)
  .join('')}`
}

function installText({ install }: JoinFacts): string {
  if (install === undefined || !('line' in install)) return ''
  return `
or install Muster and join, on a machine without it:

${install.line}
`
}

function notes({ made, authServer, flags, install }: JoinFacts, lifetime: string): string[] {
  const { id, roles, botName, nodeLabels } = made
  const { allowCidrs = [], allowHostnames = [] } = made.restrictions ?? {}
  return [
    `This invitation token will expire in ${lifetime}`,
    reachability(authServer, botName === '' ? 'the new node' : 'the new machine'),
    admits(made),
    ...(allowCidrs.length > 0 ? [`It admits nodes from these networks only: ${allowCidrs.join(', ')}`] : []),
    ...(allowHostnames.length > 0 ? [`It admits these host names only: ${allowHostnames.join(', ')}`] : []),
    ...(Object.keys(nodeLabels).length > 0
      ? [`Nodes that join with it carry the labels ${formatLabels(nodeLabels)}`]
      : []),
    ...typeHints(roles, botName),
    ...(install !== undefined && 'missing' in install
      ? [`There is no command that installs Muster: web-service could not be asked: ${install.missing}`]
      : []),
    `The token is not shown again. Its id is ${id}`,
    `List who joined with it: musterctl tokens show ${id}${flags}`,
    `Revoke it: musterctl tokens rm ${id}${flags}`,
  ]
}

function admits({ maxUses, botName }: token.Token): string {
  if (botName !== '') return `It admits one instance of the bot ${botName}; each other instance needs its own token`
  if (maxUses === undefined) return 'It admits any number of nodes; --max-uses sets a limit'
  return maxUses === 1 ? 'It admits one node' : `It admits ${maxUses} nodes`
}

/** One shell command on several lines, ready to paste. */
function joinCommand({ made, value, caPins, authServer }: JoinFacts): string {
  const flags = [
    `--roles=${made.roles.join(',')}`,
    `--token=${shellQuote(value)}`,
    ...caPins.map((pin) => `--ca-pin=${pin}`),
    `--auth-server=${shellQuote(authServer)}`,
  ]
  return ['muster start', ...flags].join(' \\\n  ')
}
