import { existsSync, readFileSync } from 'node:fs'
import { parseCaPin } from '@muster/domain'
import { whyUnreadable } from '@muster/runtime'
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
  if ('text' in given) return given.text
  const name = `${config!.path}: ${NAMES[key]}`
  if (!existsSync(given.file)) {
    notes.push(`${name}: ${whyUnreadable(given.file, { code: 'ENOENT' })}`)
    return undefined
  }
  const text = read(given.file, name)
  if (text === '') throw new Error(`${name}: the file ${given.file} is empty`)
  if (key === 'caPins') text.split(/[\s,]+/).forEach((pin) => parseCaPin(pin, name))
  return key === 'caPins' ? text.split(/[\s,]+/).join(',') : text
}

function read(file: string, name: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw new Error(`${name}: ${whyUnreadable(file, error)}`, { cause: error })
  }
}
