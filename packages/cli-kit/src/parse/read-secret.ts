import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { secretWord } from '@muster/domain'
import { UsageError } from '../command/errors.ts'
import type { Io } from '../command/io.ts'

const MAX_SECRET_BYTES = 4096

/** Reads the first line of standard input, for a flag whose value is `-`. @throws UsageError that names the flag */
export async function readSecretLine({ stdin }: Pick<Io, 'stdin'>, flag: string): Promise<string> {
  let bytes = Buffer.alloc(0)
  for await (const chunk of stdin ?? []) {
    bytes = Buffer.concat([bytes, Buffer.from(chunk)])
    if (bytes.includes('\n') || bytes.length > MAX_SECRET_BYTES) break
  }
  const end = bytes.indexOf('\n')
  const line = end < 0 ? bytes : bytes.subarray(0, end)
  if (line.toString().trim() === '') throw new UsageError(`${flag}: standard input has no token`)
  return asUsage(() => secretWord(line, `${flag}: standard input`))
}

function asUsage<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

/** Reads a token that is given as itself, as the path of a file, or as `-`. @throws UsageError that never repeats it */
export async function readToken(io: Pick<Io, 'stdin' | 'cwd'>, text: string, flag: string): Promise<string> {
  if (text === '-') return readSecretLine(io, flag)
  if (text.trim() === '') throw new UsageError(`${flag}: is empty`)
  const wanted = text.trim()
  let content: Buffer
  try {
    content = await readFile(path.resolve(io.cwd, wanted))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const isPath = /^[./~]/.test(wanted)
    if (!isPath && (code === 'ENOENT' || code === 'ENAMETOOLONG')) return asUsage(() => secretWord(wanted, flag))
    // The error does not repeat the text: it may be a token.
    throw new UsageError(`${flag}: looks like a path, but the file cannot be read (${code})`)
  }
  return asUsage(() => secretWord(content, `${flag}: the file`))
}
