import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { UsageError } from '../command/errors.ts'
import type { Io } from '../command/io.ts'

const MAX_SECRET_CHARACTERS = 4096

/** Reads the first line of standard input, for a flag whose value is `-`. @throws UsageError that names the flag */
export async function readSecretLine({ stdin }: Pick<Io, 'stdin'>, flag: string): Promise<string> {
  let text = ''
  for await (const chunk of stdin ?? []) {
    text += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8')
    if (text.includes('\n') || text.length > MAX_SECRET_CHARACTERS) break
  }
  const [line = ''] = text.split(/\r?\n/)
  if (line.trim() === '') throw new UsageError(`${flag}: standard input has no token`)
  return line.trim()
}

/** Reads a token that is given as itself, as the path of a file, or as `-`. @throws UsageError that never repeats it */
export async function readToken(io: Pick<Io, 'stdin' | 'cwd'>, text: string, flag: string): Promise<string> {
  if (text === '-') return readSecretLine(io, flag)
  if (text.trim() === '') throw new UsageError(`${flag}: is empty`)
  let content: string
  try {
    content = (await readFile(path.resolve(io.cwd, text), 'utf8')).trim()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const isPath = /^[./~]/.test(text)
    if (!isPath && (code === 'ENOENT' || code === 'ENAMETOOLONG')) return text.trim()
    // The error does not repeat the text: it may be a token.
    throw new UsageError(`${flag}: looks like a path, but the file cannot be read (${code})`)
  }
  if (content === '') throw new UsageError(`${flag}: the file is empty`)
  return content
}
