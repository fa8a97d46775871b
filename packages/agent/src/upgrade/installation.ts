import { isSea } from 'node:sea'
import { ownProgram } from '../systemd/own-program.ts'

/** Where the install script puts the program, and the flags that have it put the next one there. */
const PLACES: Record<string, readonly string[]> = {
  '/usr/bin/muster': [],
  '/usr/local/lib/muster/muster': ['--tarball'],
}

/** How this program came to this machine. */
export interface Installation {
  /** The file that runs: the executable, or the script that Node runs. */
  program: string
  /** The flags with which the install script replaces it; undefined if the script would install another beside it. */
  scriptFlags: readonly string[] | undefined
}

/** Finds out how this program was installed. */
export function readInstallation(): Installation {
  const program = ownProgram().at(-1)!
  return { program, scriptFlags: isSea() ? PLACES[program] : undefined }
}
