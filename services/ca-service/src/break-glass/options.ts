import { parseArgs } from 'node:util'
import {
  describeService,
  formatDuration,
  messageOf,
  type OperatorRole,
  parseDuration,
  parseMemberName,
  parseOperatorRoles,
  SERVING_SERVICES,
} from '@muster/domain'
import type { OperatorProfile } from '@muster/identity'

/** Nobody can revoke this certificate, so an operator who needs it for longer issues another. */
const MAX_TTL_SECONDS = 7 * 86_400

/** For each service the flag that says where the operator reaches it; by default on its usual port of this machine. */
const ADDRESSES = SERVING_SERVICES.map((name) => {
  const { shortName, listenPort } = describeService(name)
  return { shortName, flag: `${shortName}-addr`, fallback: `127.0.0.1:${listenPort}` }
})

/** The help of `ca-service issue-admin`. */
export const USAGE = `Usage: ca-service issue-admin --name NAME --out DIR [--roles admin] [--ttl 12h]
         ${ADDRESSES.map(({ flag }) => `[--${flag} HOST:PORT]`).join(' ')} [--public-addr HOST:PORT]

Creates an operator identity from the database and the key file alone, for the first operator and for emergencies.
It reads the variables MUSTER_CLUSTER_NAME, MUSTER_DATABASE_URL_FILE and MUSTER_KEY_ENCRYPTION_KEY_FILE.
`

/** What identity to create, and where. */
export interface IssueAdminOptions extends Pick<OperatorProfile, 'addresses' | 'publicAddress'> {
  name: string
  roles: OperatorRole[]
  ttlSeconds: number
  /** The identity folder. */
  out: string
}

/** Arguments that cannot be used; the message ends with the help. */
export class UsageError extends Error {}

/** Reads the arguments of `ca-service issue-admin`. @returns undefined if they ask for help @throws UsageError */
export function readOptions(argv: readonly string[]): IssueAdminOptions | undefined {
  try {
    const text = { type: 'string' } as const
    const flags = Object.fromEntries(ADDRESSES.map(({ flag, fallback }) => [flag, { ...text, default: fallback }]))
    const { values } = parseArgs({
      args: [...argv],
      options: {
        ...flags,
        help: { type: 'boolean', short: 'h' },
        name: text,
        out: text,
        roles: { type: 'string', default: 'admin' },
        ttl: { type: 'string', default: '12h' },
        'public-addr': text,
      },
    })
    if (values.help) return undefined
    if (values.name === undefined || values.out === undefined) throw new Error('--name and --out are needed')
    const addresses = Object.fromEntries(
      ADDRESSES.map(({ shortName, flag }) => [shortName, (values as Record<string, unknown>)[flag]]),
    ) as OperatorProfile['addresses']
    return {
      out: values.out,
      name: parseMemberName(values.name),
      roles: parseOperatorRoles(values.roles.split(',')),
      ttlSeconds: parseTtl(values.ttl),
      addresses,
      publicAddress: values['public-addr'] ?? addresses.registration,
    }
  } catch (error) {
    throw new UsageError(`${messageOf(error)}\n\n${USAGE}`)
  }
}

function parseTtl(text: string): number {
  const seconds = parseDuration(text, '--ttl')
  if (seconds > MAX_TTL_SECONDS) throw new Error(`--ttl: must be at most ${formatDuration(MAX_TTL_SECONDS)}`)
  return seconds
}
