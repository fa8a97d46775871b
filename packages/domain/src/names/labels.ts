import { invalid } from '../errors/errors.ts'
import { printable } from '../values/printable.ts'

/** Labels by key. */
export type Labels = Record<string, string>

/** The most labels that a node or a token may have. */
export const MAX_LABELS = 64
/** The most bytes that the key and value of a label may have together. */
export const MAX_LABEL_BYTES = 256

/**
 * Checks labels: at most 64; keys of letters, digits, `. _ / -` (63 at most); values of printable ASCII; 256 bytes for both.
 * @throws invalidArgument that names the label
 */
export function parseLabels(labels: Readonly<Labels>, field = 'labels'): Labels {
  const entries = Object.entries(labels)
  if (entries.length > MAX_LABELS) throw invalid(field, `${entries.length} labels; at most ${MAX_LABELS} are allowed`)
  for (const [key, value] of entries) {
    if (!/^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/.test(key)) {
      throw invalid(field, `key ${printable(key)} must be 1 to 63 letters, digits, . _ / -`)
    }
    if (!/^[\x20-\x7e]*$/.test(value)) throw invalid(field, `the value of ${key} must be printable ASCII`)
    if (key.length + value.length > MAX_LABEL_BYTES) {
      throw invalid(field, `${key} is longer than ${MAX_LABEL_BYTES} bytes with its value`)
    }
  }
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Reads `k=v,k=v` as typed on a command line. @throws invalidArgument */
export function parseLabelList(text: string, field = 'labels'): Labels {
  const labels = new Map<string, string>()
  for (const part of text.split(',')) {
    if (part.trim() === '') continue
    const at = part.indexOf('=')
    if (at < 1) throw invalid(field, `${printable(part)} is not key=value`)
    const key = part.slice(0, at).trim()
    if (labels.has(key)) throw invalid(field, `${printable(key)} is given twice`)
    labels.set(key, part.slice(at + 1).trim())
  }
  return parseLabels(Object.fromEntries(labels), field)
}

/** Writes labels in the form that `parseLabelList` reads. */
export function formatLabels(labels: Readonly<Labels>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',')
}
