import { formatDuration, invalid, parseSpiffeId } from '@muster/domain'

/** Checks the lifetime of a token in seconds. @throws invalidArgument that names the limit */
export function parseTtl(seconds: number, longest: number): number {
  if (seconds < 1 || seconds > longest) throw invalid('ttl', `must be between 1s and ${formatDuration(longest)}`)
  return seconds
}

/** Checks the SPIFFE id of the admin for whom registration-service acts. @throws invalidArgument */
export function parseActor(value: string, field: string): string {
  if (parseSpiffeId(value) === undefined) throw invalid(field, 'must be a SPIFFE id')
  return value
}
