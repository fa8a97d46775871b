import { invalid, isTokenId, printable } from '@muster/domain'

/** Checks the token id that a list is narrowed to. @returns undefined for all tokens @throws invalidArgument */
export function parseTokenFilter(value: string, field = 'token_id'): string | undefined {
  if (value === '') return undefined
  if (!isTokenId(value)) throw invalid(field, `${printable(value)} is not a token id`)
  return value
}
