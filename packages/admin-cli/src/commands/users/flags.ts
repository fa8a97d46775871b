import { UsageError } from '@muster/cli-kit'
import { type OperatorRole, parseMemberName, parseOperatorRoles } from '@muster/domain'
import { asUsage } from '../../documents/as-usage.ts'
import { parseTtl } from '../parse-ttl.ts'

/** The longest life of a signup token unless the cluster is configured otherwise. */
const MOST_BY_DEFAULT = '2d'

/** The flag of commands that make a signup token. */
export const SIGNUP_TTL = {
  type: 'string',
  value: 'DURATION',
  default: '1h',
  describe: `How long the signup command works: 30m, 1h, 1d; at most the limit of the cluster, by default ${MOST_BY_DEFAULT}`,
} as const

/** The flag of commands that give roles. */
export const USER_ROLES = {
  type: 'string',
  required: true,
  value: 'ROLES',
  names: 'user-role',
  describe: 'What the person may do: viewer (read), operator (tokens and nodes too), admin (everything)',
} as const

/** Reads the only argument of a command, a name. @throws UsageError */
export function parseUserName(positionals: readonly string[]): string {
  const [name, ...others] = positionals
  if (name === undefined) throw new UsageError('which user? give a name')
  if (others.length > 0) throw new UsageError(`one user at a time; ${others.length + 1} names were given`)
  return asUsage(() => parseMemberName(name, 'NAME'))
}

/** Reads --roles. @throws UsageError */
export function parseUserRoles(text: string): OperatorRole[] {
  const roles = text.split(',').filter((role) => role.trim() !== '')
  return asUsage(() => parseOperatorRoles(roles, '--roles'))
}

/** Reads --ttl of a signup token in seconds. @throws UsageError */
export function parseSignupTtl(text: string): number {
  return asUsage(() => parseTtl(text, MOST_BY_DEFAULT))
}
