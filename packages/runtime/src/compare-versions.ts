import { invalid, printable } from '@muster/domain'
// The parts alone: all of semver takes three times as long to load.
import compare from 'semver/functions/compare.js'
import diff from 'semver/functions/diff.js'
import parse from 'semver/functions/parse.js'

/** Reads a version with or without its `v`, such as `v1.2.3`. @returns it without. @throws invalidArgument for any other text */
export function parseSemanticVersion(text: string, field = 'version'): string {
  const version = parse(text)
  if (version === null) throw invalid(field, `${printable(text)} is not a version such as 1.2.3`)
  return version.version
}

/** Whether a version comes before another. A text that is not a semantic version comes before every version. */
export function isOlderVersion(version: string, than: string): boolean {
  const parsed = parse(version)
  return parsed === null || compare(parsed, than) < 0
}

/** Whether one semantic version is newer than another, and by how much. `incompatible` if it may not work with the other. */
export function newerBy(version: string, than: string): 'no' | 'compatible' | 'incompatible' {
  if (compare(version, than) <= 0) return 'no'
  return diff(version, than) === 'major' ? 'incompatible' : 'compatible'
}
