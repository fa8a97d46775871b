import { readFileSync, statSync, type BigIntStats } from 'node:fs'
import { stat } from 'node:fs/promises'
import { parseCustomTokenValue } from '@muster/domain'
import { whyUnreadable } from '@muster/runtime'

/** A token value as a file holds it now. */
export interface TokenFile {
  value: string
  /** Another one after the file has changed. */
  stamp: string
}

/** Room for the longest value there may be and white space around it. */
const MAX_FILE_BYTES = 4096

/** Reads the value in a file. @throws Error whose message says what is wrong and never what the file holds */
export function readTokenFile(path: string): TokenFile {
  // The stamp first: what is written after it makes another stamp, and is read then.
  const stamp = stampOf(statFile(path))
  const text = reading(path, () => readFileSync(path, 'utf8')).trim()
  if (text === '') throw new Error('its file is empty')
  return { value: parseStaticValue(text), stamp }
}

function reading<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new Error(whyUnreadable(path, error), { cause: error })
  }
}

function statFile(path: string): BigIntStats {
  const found = reading(path, () => statSync(path, { bigint: true }))
  if (!found.isFile()) throw new Error('its file is not a regular file')
  if (found.size > MAX_FILE_BYTES) throw new Error(`its file is larger than ${MAX_FILE_BYTES} bytes`)
  return found
}

/** The stamp of a file as it is now, or undefined if it cannot be looked at. */
export async function stampOfFile(path: string): Promise<string | undefined> {
  return stat(path, { bigint: true }).then(stampOf, () => undefined)
}

function stampOf({ dev, ino, size, mtimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs].join(':')
}

/** Checks the value of a static token, as that of any that people choose. @throws Error that never repeats it */
export function parseStaticValue(text: string): string {
  try {
    return parseCustomTokenValue(text)
  } catch (error) {
    throw new Error(`its ${(error as Error).message}`, { cause: error })
  }
}
