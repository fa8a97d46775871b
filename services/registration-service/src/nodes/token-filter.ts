import { invalid, isTokenId, printable } from '@muster/domain'

/** The token id that a list is narrowed to; undefined for all. @throws invalidArgument */
export function parseTokenFilter(value: string, field = 'token_id'): string | undefined {
  if (value === '') return undefined
  if (!isTokenId(value)) throw invalid(field, `${printable(value)} is not a token id`)
  return value
}
