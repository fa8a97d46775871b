/** A token may be this short. */
const SHORTEST_SECRET = 16

/** What stands in a message for a word that may be a secret. */
export const NOT_REPEATED = '(not repeated, as it may be a secret)'

/** A word as typed, for a message; a token or an invitation in the wrong place is not repeated. */
export function repeatable(word: string): string {
  return word.length < SHORTEST_SECRET ? word : NOT_REPEATED
}

/** The name of a flag as typed, for a message; words that no flag could be called are not repeated. */
export function repeatableFlag(name: string): string {
  if (!/^[a-z][a-z-]*$/i.test(name) && name.length >= SHORTEST_SECRET) return NOT_REPEATED
  return name.length === 1 ? `-${name}` : `--${name}`
}
