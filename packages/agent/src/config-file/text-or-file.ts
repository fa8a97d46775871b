import { existsSync, readFileSync } from 'node:fs'
import { parseCaPin, secretText, secretWord } from '@muster/domain'
import { whyUnreadable, withFileSync } from '@muster/runtime'
import type { ConfigFile } from './config-file.ts'

const NAMES = { token: 'muster.join_params.token_name', caPins: 'muster.ca_pin' } as const

/**
 * The token or the pins of the configuration, from the file that it names, if it names one. A file that is not there is a
 * note and no problem: a node that has joined needs neither.
 * @throws Error if the file cannot be read, is empty, or holds no pins
 */
export function readIfThere(
  config: ConfigFile | undefined,
  key: keyof typeof NAMES,
  notes: string[],
): string | undefined {
  const given = config?.[key]
  if (given === undefined) return undefined
  const name = `${config!.path}: ${NAMES[key]}`
  const secret = key === 'token' ? secretWord : secretText
  if ('text' in given) return secret(given.text, name)
  if (!existsSync(given.file)) {
    notes.push(`${name}: ${whyUnreadable(given.file, { code: 'ENOENT' })}`)
    return undefined
  }
  const content = withFileSync('read', given.file, () => readFileSync(given.file), name)
  const text = secret(content, `${name}: the file ${given.file}`)
  if (key === 'caPins') text.split(/[\s,]+/).forEach((pin) => parseCaPin(pin, name))
  return key === 'caPins' ? text.split(/[\s,]+/).join(',') : text
}
