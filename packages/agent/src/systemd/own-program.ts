import { realpathSync } from 'node:fs'
import { isSea } from 'node:sea'
import { CliError } from '@muster/cli-kit'

/** Folders that the unit hides from the agent (ProtectHome=, PrivateTmp=). */
const HIDDEN = ['/home', '/root', '/run/user', '/tmp', '/var/tmp']

/** The command line of this program for a unit: the executable, or Node and the script. Absolute paths, links resolved. */
export function ownProgram(): string[] {
  const { execPath, argv } = process
  return (isSea() ? [execPath] : [execPath, argv[1]!]).map((file) => realpathSync(file))
}

/** @throws CliError if a file of the program is where a unit cannot reach it */
export function refuseHidden(program: readonly string[]): void {
  const hidden = program.find((file) => HIDDEN.some((folder) => file.startsWith(`${folder}/`)))
  if (hidden === undefined) return
  throw new CliError(
    `${hidden} is in a folder that the service must not read (${HIDDEN.join(', ')})`,
    'Install Muster for all users, as in /usr/local/bin, and run it from there.',
  )
}
