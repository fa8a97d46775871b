/** The known word that is closest to the typed one, or undefined if none is close. */
export function closest(typed: string, known: readonly string[]): string | undefined {
  const most = typed.length < 4 ? 1 : 2
  let best: string | undefined
  let least = most + 1
  for (const word of known) {
    const distance = editDistance(typed.toLowerCase(), word, least)
    if (distance < least) {
      best = word
      least = distance
    }
  }
  return best ?? known.find((word) => typed.length >= 3 && word.startsWith(typed.toLowerCase()))
}

/** `; did you mean X?` for the closest known word, or nothing. `show` decides how the word is written. */
export function didYouMean(typed: string, known: readonly string[], show = (word: string) => word): string {
  const meant = closest(typed, known)
  return meant === undefined ? '' : `; did you mean ${show(meant)}?`
}

/** Counts the letters to insert, delete, replace or swap with a neighbour. Returns any number from `limit` on for "too many". */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let before: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      row[j] = Math.min(replaced, last[j]! + 1, row[j - 1]! + 1)
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (isSwap) row[j] = Math.min(row[j]!, before[j - 2]! + 1)
    }
    before = last
    last = row
  }
  return last[b.length]!
}
