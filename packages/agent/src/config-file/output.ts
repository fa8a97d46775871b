import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { CliError, UsageError } from '@muster/cli-kit'
import { existsSync } from 'node:fs'
import { createFileAtomic, writeFileAtomic } from '@muster/runtime'

/**
 * Where `--output` leads: undefined for `stdout`, else a path. `file` is the default file, `file:///path` is that path.
 * @throws UsageError
 */
export function parseOutput(text: string, defaultFile: string): string | undefined {
  if (text === 'stdout') return undefined
  if (text === 'file') return defaultFile
  if (/^file:\/\/\/./.test(text)) return path.resolve(fileURLToPath(text))
  throw new UsageError('--output: must be stdout, file, or file:///PATH')
}

/** @throws CliError if the file exists and is not to be replaced */
export function refuseExisting(file: string, force: boolean): void {
  if (!force && existsSync(file)) throw existing(file)
}

/** Writes a configuration, mode 0600, atomically. @throws CliError if it exists and is not to be replaced */
export async function writeConfig(file: string, text: string, force: boolean): Promise<void> {
  try {
    if (force) await writeFileAtomic(file, text, 0o600)
    else if (!(await createFileAtomic(file, text, 0o600))) throw existing(file)
  } catch (error) {
    if (error instanceof CliError) throw error
    throw new CliError(`cannot write ${file}: ${(error as Error).message}`, undefined, error)
  }
}

function existing(file: string): CliError {
  return new CliError(`${file} exists already; nothing was written`, 'Add --force to replace it.')
}
