import type { ProgramEntry } from '../bundle/bundle-program.ts'

/** The code of each program. */
export type ProgramCode = Record<Exclude<ProgramEntry, 'by-name'>, Buffer>

/** A program as a file that the Node on the PATH runs. */
export function nodeScript(code: Buffer): string {
  return `#!/usr/bin/env node\n${code.toString()}`
}
