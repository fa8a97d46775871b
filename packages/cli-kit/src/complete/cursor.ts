/** Where the cursor is among the words. */
export interface Position {
  /** The words before it, without the flag whose value it completes. */
  before: readonly string[]
  /** What is typed of the word, or of the value in it. */
  current: string
  /** What stands before `current` in the same word. */
  prefix: string
  /** The flag whose value may be completed. */
  flag: string | undefined
}

/** Finds the word under the cursor. A flag and its value are one word, two, or three, since bash splits at `=`. */
export function cursorOf(words: readonly string[]): Position {
  const current = words.at(-1) ?? ''
  const before = words.slice(0, -1)
  const joined = /^(--[^=]+=)(.*)$/.exec(current)
  if (joined !== null) return { before, current: joined[2]!, prefix: joined[1]!, flag: joined[1]!.slice(0, -1) }
  if (current === '=') return { before: before.slice(0, -1), current: '', prefix: '', flag: before.at(-1) }
  if (before.at(-1) === '=') return { before: before.slice(0, -2), current, prefix: '', flag: before.at(-2) }
  const last = before.at(-1)
  // Drop the flag from the words before, or it would take the next of them for its value.
  if (last?.startsWith('-') && !last.includes('='))
    return { before: before.slice(0, -1), current, prefix: '', flag: last }
  return { before, current, prefix: '', flag: undefined }
}
