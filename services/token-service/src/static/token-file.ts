import { readFileSync, statSync, type BigIntStats } from 'node:fs'
import { stat } from 'node:fs/promises'
import { parseCustomTokenValue, secretWord } from '@muster/domain'
import { whyUnreadable } from '@muster/runtime'

/** The token value in a file. */
export interface TokenFile {
  value: string
  /** Changes whenever the file changes. */
  stamp: string
}

/** Enough for the longest value with white space around it. */
const MAX_FILE_BYTES = 4096

/** Reads the value in a file. @throws Error whose message names the problem and never the content */
export function readTokenFile(path: string): TokenFile {
  // Take the stamp first: a later write changes the stamp, so the file is read again.
  const stamp = stampOf(statFile(path))
  const content = reading(path, () => readFileSync(path))
  return { value: parseStaticValue(secretWord(content, 'its file')), stamp }
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

/** The current stamp of a file. @returns undefined if it cannot be read */
export async function stampOfFile(path: string): Promise<string | undefined> {
  return stat(path, { bigint: true }).then(stampOf, () => undefined)
}

function stampOf({ dev, ino, size, mtimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs].join(':')
}

/** Checks the value of a static token like any custom value. @throws Error that never repeats the value */
export function parseStaticValue(text: string): string {
  const value = secretWord(text, 'its value')
  try {
    return parseCustomTokenValue(value)
  } catch (error) {
    throw new Error(`its ${(error as Error).message}`, { cause: error })
  }
}
