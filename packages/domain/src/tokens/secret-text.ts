/**
 * Reads a secret from a flag, a variable, standard input, or the bytes of a file, in the one way that there is: without the
 * white space and the byte order mark around it. `source` begins the error, such as `--token: the file /run/token`.
 * @throws Error that never repeats the secret
 */
export function secretText(given: string | Uint8Array, source: string): string {
  const text = (typeof given === 'string' ? given : decoded(given, source)).trim()
  if (text === '') throw new Error(`${source} is empty`)
  const quote = text[0]!
  if (QUOTES.includes(quote) && text.length > 1 && text.endsWith(quote)) {
    throw new Error(`${source} stands in quotes; remove them`)
  }
  return text
}

/** A secret without white space, such as a token. @throws Error that never repeats it */
export function secretWord(given: string | Uint8Array, source: string): string {
  const word = secretText(given, source)
  if (/\s/.test(word)) throw new Error(`${source} has white space inside, and a token has none; was it joined or cut?`)
  return word
}

const QUOTES = `"'\`\u201c\u201d\u2018\u2019`

function decoded(bytes: Uint8Array, source: string): string {
  const [first, second] = bytes
  const hasMark = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)
  if (hasMark || bytes.includes(0)) {
    const how = hasMark ? 'UTF-16, as its byte order mark says' : 'UTF-16 or no text: it has zero bytes'
    throw new Error(`${source} is ${how}; save it as UTF-8 (in PowerShell: Out-File -Encoding ascii)`)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new Error(`${source} is not UTF-8 text; save it as UTF-8`)
  }
}
