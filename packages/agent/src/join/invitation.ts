import { existsSync, readFileSync } from 'node:fs'
import { type Invitation, isInvitation, parseInvitation } from '@muster/domain'

/** The flags that say what an invitation says, and where it stands itself. */
interface InvitationFlags {
  invitation?: string | undefined
  token?: string | undefined
  authServer?: string | undefined
  caPin?: string[] | undefined
}

/** A variable of the environment, if it is set and not empty. */
type Variable = (name: string) => string | undefined

/** The invitation of the command line, else of the environment. @throws Error that never repeats it */
export function readGivenInvitation({ invitation }: InvitationFlags, variable: Variable): Invitation | undefined {
  if (invitation !== undefined) return valueOrFile(invitation, 'invitation')
  const text = variable('MUSTER_INVITATION')
  return text === undefined ? undefined : valueOrFile(text, 'MUSTER_INVITATION')
}

/** An invitation is given as itself or as the path of a file that holds it, which keeps it off the command line. */
function valueOrFile(text: string, field: string): Invitation {
  if (isInvitation(text)) return parseInvitation(text, field)
  // Not repeated: it may be a token in the wrong place.
  if (!existsSync(text))
    throw new Error(`${field}: is neither an invitation, 'muster://...', nor a file that holds one`)
  return parseInvitation(readFileSync(text, 'utf8'), `${field}: the file ${text}`)
}

/**
 * What an invitation says must not be said a second time in the same place, as one of the two would count for nothing.
 * The command line goes before the environment.
 */
export function saidTwice(flags: InvitationFlags, variable: Variable): string[] {
  if (flags.invitation !== undefined) {
    return (['token', 'authServer', 'caPin'] as const)
      .filter((name) => flags[name] !== undefined)
      .map((name) => `${flagName(name)}: the invitation says that already; leave one of them out`)
  }
  if (variable('MUSTER_INVITATION') === undefined) return []
  return ['MUSTER_TOKEN', 'MUSTER_AUTH_SERVER', 'MUSTER_CA_PIN']
    .filter((name) => variable(name) !== undefined)
    .map((name) => `${name}: MUSTER_INVITATION says that already; unset one of them`)
}

/** A problem for each flag that was given an invitation: a secret, which the flag's own error might repeat. */
export function misplacedInvitations(flags: object): string[] {
  return Object.entries(flags)
    .filter(([name, value]) => /^[a-z]+$/i.test(name) && name !== 'invitation' && [value].flat().some(isInvitationText))
    .map(([name]) => `${flagName(name)}: an invitation goes by itself: muster start 'muster://...'`)
}

function isInvitationText(value: unknown): boolean {
  return typeof value === 'string' && isInvitation(value)
}

function flagName(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}
