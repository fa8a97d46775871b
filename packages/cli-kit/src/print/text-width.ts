/** How many characters a text takes on a terminal, an emoji of two code units counted once. */
export function lengthOf(text: string): number {
  return Array.from(text).length
}

/** Pads the text with spaces to a width. */
export function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - lengthOf(text)))
}

/**
 * The text in indented lines of at most `width` characters, broken at spaces and after commas only. A word that is longer has
 * a line of its own and is left whole, so that it can be copied.
 */
export function wrapped(text: string, width = Infinity, indent = 0): string {
  const lines: string[] = []
  let line = ''
  for (const word of text.match(/[^\s,]*,|[^\s,]+|\s+/g) ?? []) {
    if (line !== '' && lengthOf(line + word.trimEnd()) > width - indent) {
      lines.push(line.trimEnd())
      line = ''
    }
    line += line === '' ? word.trimStart() : word
  }
  if (line.trim() !== '') lines.push(line.trimEnd())
  return lines.map((one) => `${' '.repeat(indent)}${one}\n`).join('')
}
