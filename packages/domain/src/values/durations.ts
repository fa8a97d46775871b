import { invalid } from '../errors/errors.ts'
import { printable } from './printable.ts'

const UNIT_SECONDS = { d: 86_400, h: 3_600, m: 60, s: 1 } as const

/** Reads `30s`, `5m`, `1h30m`, `2d` as whole seconds above zero. @throws invalidArgument */
export function parseDuration(text: string, field: string): number {
  const trimmed = text.trim().toLowerCase()
  if (!/^(?:\d{1,9}[dhms])+$/.test(trimmed)) {
    throw invalid(field, `${printable(text)} is not a duration such as 30s, 5m, 1h30m, 2d`)
  }
  let seconds = 0
  for (const [, count, unit] of trimmed.matchAll(/(\d+)([dhms])/g)) {
    seconds += Number(count) * UNIT_SECONDS[unit as keyof typeof UNIT_SECONDS]
  }
  if (seconds <= 0) throw invalid(field, 'must be longer than zero')
  return seconds
}

/** Formats seconds in short form: `4m39s`, `2d`, `0s`. */
export function formatDuration(totalSeconds: number): string {
  let rest = Math.max(0, Math.round(totalSeconds))
  let text = ''
  for (const [unit, size] of Object.entries(UNIT_SECONDS)) {
    const count = Math.floor(rest / size)
    rest -= count * size
    if (count > 0) text += `${count}${unit}`
  }
  return text === '' ? '0s' : text
}

const LONG_UNITS = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
] as const

/** Formats seconds for a sentence: `5 minutes`, `1 hour 30 minutes`. */
export function durationInWords(totalSeconds: number): string {
  let rest = Math.max(0, Math.round(totalSeconds))
  const words: string[] = []
  for (const [unit, size] of LONG_UNITS) {
    const count = Math.floor(rest / size)
    rest -= count * size
    if (count > 0) words.push(`${count} ${unit}${count === 1 ? '' : 's'}`)
  }
  return words.length === 0 ? '0 seconds' : words.join(' ')
}
