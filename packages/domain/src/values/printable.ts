import { withoutSecrets } from '../tokens/token-value.ts'

/** Makes a caller's text safe to show: JSON quoting, ASCII only, at most 64 characters, no generated token. */
export function printable(value: string): string {
  const shown = withoutSecrets(value)
  const quoted = JSON.stringify(shown.slice(0, 64)).replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return shown.length > 64 ? `${quoted.slice(0, -1)}…"` : quoted
}
