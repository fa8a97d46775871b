import { invalid } from '../errors/errors.ts'

const DEFAULT_PAGE_SIZE = 100
/** The most rows that a page may have. */
export const MAX_PAGE_SIZE = 1000

/** How many rows a page may have: 0 asks for 100. @throws invalidArgument above 1000 */
export function parsePageSize(value: number): number {
  if (value > MAX_PAGE_SIZE) throw invalid('page_size', `must be at most ${MAX_PAGE_SIZE}`)
  return value === 0 ? DEFAULT_PAGE_SIZE : value
}

/** Encodes where a page ended, the sort key of its last row. The caller sends it back for the next page. */
export function encodeCursor(key: readonly string[]): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url')
}

/** Decodes the sort key; undefined for the first page. @throws invalidArgument for a cursor that this system did not make */
export function decodeCursor(token: string, length: number): string[] | undefined {
  if (token === '') return undefined
  try {
    const key: unknown = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'))
    if (Array.isArray(key) && key.length === length && key.every(isCursorPart)) return key
  } catch {
    // Not JSON: rejected below.
  }
  throw invalid('page_token', 'was not made by this service')
}

// Postgres does not accept NUL in a text.
function isCursorPart(part: unknown): part is string {
  return typeof part === 'string' && !part.includes('\0')
}
