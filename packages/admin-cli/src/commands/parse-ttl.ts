import { invalid, parseDuration } from '@muster/domain'
import { MAX_UINT32 } from '../cluster/wire-limits.ts'

/**
 * Reads --ttl in seconds. A cluster refuses what is longer than its own limit, which is `usualLimit` unless it is configured.
 * @throws invalidArgument
 */
export function parseTtl(text: string, usualLimit = '7d'): number {
  const typed = text.trim()
  const limits = `must be at least 1s and at most the limit of the cluster, ${usualLimit} unless it is configured`
  const outside = () => invalid('--ttl', `${limits}; got ${typed.slice(0, 40)}`)
  const isNegativeOrZero = /^-\d/.test(typed) || /^[+0dhms]*0[0dhms]*$/i.test(typed)
  // More digits than parseDuration reads.
  const isHuge = /^(?:\d+[dhms])*\d{10,}[dhms](?:\d+[dhms])*$/i.test(typed)
  if (isNegativeOrZero || isHuge) throw outside()
  const seconds = parseDuration(text, '--ttl')
  // The limit of a cluster is far below what the request can carry, and its refusal names it.
  if (seconds > MAX_UINT32) throw outside()
  return seconds
}
