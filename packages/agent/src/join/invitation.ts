import { readFileSync } from 'node:fs'
import { type Invitation, isInvitation, parseInvitation, secretText } from '@muster/domain'
import { mayExist, withFileSync } from '@muster/runtime'

/** The invitation, and the flags for what it contains. */
interface InvitationFlags {
  invitation?: string | undefined
  token?: string | undefined
  authServer?: string | undefined
  caPin?: string[] | undefined
}

/** A variable of the environment, if it is set and not empty. */
type Variable = (name: string) => string | undefined

/** Reads the invitation of the command line, else of the environment. @throws Error that never repeats it */
export function readGivenInvitation({ invitation }: InvitationFlags, variable: Variable): Invitation | undefined {
  if (invitation !== undefined) return valueOrFile(invitation, 'invitation')
  const text = variable('MUSTER_INVITATION')
  return text === undefined ? undefined : valueOrFile(text, 'MUSTER_INVITATION')
}

/** Reads an invitation, or the file that holds it: a path keeps the invitation off the command line. */
function valueOrFile(given: string, field: string): Invitation {
  const text = secretText(given, field)
  if (isInvitation(text)) return parseInvitation(text, field)
  // The error does not repeat the text: it may be a token in the wrong place.
  if (!mayExist(text)) throw new Error(`${field}: neither an invitation, 'muster://...', nor a file with one`)
  const source = `${field}: the file ${text}`
  return parseInvitation(
    secretText(
      withFileSync('read', text, () => readFileSync(text), field),
      source,
    ),
    source,
  )
}

/**
 * Finds values that are given twice: in an invitation and beside it, in the same place. One of the two would be ignored.
 * The command line has precedence over the environment.
 */
export function duplicatedValues(flags: InvitationFlags, variable: Variable): string[] {
  if (flags.invitation !== undefined) {
    return (['token', 'authServer', 'caPin'] as const)
      .filter((name) => flags[name] !== undefined)
      .map((name) => `${flagName(name)}: the invitation contains it already; remove one of the two`)
  }
  if (variable('MUSTER_INVITATION') === undefined) return []
  return ['MUSTER_TOKEN', 'MUSTER_AUTH_SERVER', 'MUSTER_CA_PIN']
    .filter((name) => variable(name) !== undefined)
    .map((name) => `${name}: MUSTER_INVITATION contains it already; unset one of the two`)
}

/** Reports each flag whose value is an invitation. It is a secret, which the flag's own error might repeat. */
export function misplacedInvitations(flags: object): string[] {
  return Object.entries(flags)
    .filter(([name, value]) => /^[a-z]+$/i.test(name) && name !== 'invitation' && [value].flat().some(isInvitationText))
    .map(([name]) => `${flagName(name)}: give the invitation without a flag: muster start 'muster://...'`)
}

function isInvitationText(value: unknown): boolean {
  return typeof value === 'string' && isInvitation(value)
}

function flagName(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}
