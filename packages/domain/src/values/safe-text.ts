// Control characters (C0, DEL, C1) can drive a terminal; bidirectional marks, line separators and zero-width
// characters can make text look like another text.
// eslint-disable-next-line no-control-regex
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g

/** Removes the characters that could control a terminal or deceive the reader. For text from elsewhere. */
export function safeText(text: string): string {
  return text.replace(UNSAFE, '')
}

/** True if `safeText` would remove a character. */
export function isUnsafe(text: string): boolean {
  return safeText(text) !== text
}

/** The same characters as `\uXXXX` escapes, for text in which strings are quoted as in JSON. */
export function escapeUnsafe(quoted: string): string {
  return quoted.replace(UNSAFE, (char) =>
    char === '\n' ? char : `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
