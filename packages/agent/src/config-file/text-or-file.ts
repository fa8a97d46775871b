import { readFileSync } from 'node:fs'
import { parseCaPin, secretText, secretWord } from '@muster/domain'
import { FileError, whyUnreadable } from '@muster/runtime'
import { credentialOf, isNoFile } from '../systemd/credentials.ts'
import type { ConfigFile } from './config-file.ts'

const NAMES = { token: 'muster.join_params.token_name', caPins: 'muster.ca_pin' } as const

/** Errors that are noted: there is no file, or none for this user. */
const NOTED: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM'])

/**
 * The token or the pins of the configuration, from the file that it names, if it names one, or from the copy that systemd
 * hands over. A file that is not there, or that only another user may read, is a note and no problem: a node that has
 * joined needs neither.
 * @throws Error if the file cannot be read for another reason, is empty, or holds no pins
 */
export function readIfThere(
  config: ConfigFile | undefined,
  key: keyof typeof NAMES,
  notes: string[],
  env: NodeJS.ProcessEnv,
): string | undefined {
  const given = config?.[key]
  if (given === undefined) return undefined
  const name = `${config!.path}: ${NAMES[key]}`
  const secret = key === 'token' ? secretWord : secretText
  if ('text' in given) return secret(given.text, name)
  const content = read(given.file, name, notes, env)
  if (content === undefined) return undefined
  const text = secret(content, `${name}: the file ${given.file}`)
  if (key === 'caPins') text.split(/[\s,]+/).forEach((pin) => parseCaPin(pin, name))
  return key === 'caPins' ? text.split(/[\s,]+/).join(',') : text
}

/** The content of a file, or undefined after a note why this process cannot have it. */
function read(file: string, name: string, notes: string[], env: NodeJS.ProcessEnv): Buffer | undefined {
  const credential = credentialOf(file, env)
  const note = (why: string) => void notes.push(`${name}: ${why}`)
  try {
    const content = readFileSync(credential.file ?? file)
    if (credential.file === undefined || !isNoFile(content.toString())) return content
    note(whyUnreadable(file, { code: 'ENOENT' }))
  } catch (error) {
    if (!NOTED.has((error as NodeJS.ErrnoException).code ?? '')) throw new FileError('read', file, error, name)
    const line = `add to the unit: LoadCredential=${credential.name}:${file}`
    note(whyUnreadable(file, error) + (env['CREDENTIALS_DIRECTORY'] ? `; ${line}` : ''))
  }
  return undefined
}
