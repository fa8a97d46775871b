import { type Args, type OptionSet, UsageError } from '@muster/cli-kit'
import {
  describeService,
  formatDuration,
  messageOf,
  type OperatorRole,
  parseDuration,
  parseNewMemberName,
  parseOperatorRoles,
  parseServerAddress,
  SERVING_SERVICES,
} from '@muster/domain'
import type { OperatorProfile } from '@muster/identity'

/** Nobody can revoke this certificate, so an operator who needs it for longer issues another. */
const MAX_TTL_SECONDS = 7 * 86_400

/** For each service the flag with the address where the operator reaches it; by default its usual port on this machine. */
const ADDRESSES = SERVING_SERVICES.map((name) => {
  const { shortName, listenPort } = describeService(name)
  return { name, shortName, flag: `${shortName}-addr`, fallback: `127.0.0.1:${listenPort}` }
})

const text = { type: 'string' } as const

/** The flags of `ca-service issue-admin`, without those of the addresses. */
const OWN_FLAGS = {
  name: { ...text, required: true, value: 'NAME', describe: 'Name of the operator' },
  out: {
    ...text,
    required: true,
    value: 'DIR',
    names: 'file',
    describe: "Folder of the identity, for musterctl's --identity",
  },
  roles: { ...text, value: 'ROLES', default: 'admin', describe: 'What the operator may do, with commas' },
  ttl: {
    ...text,
    value: 'DURATION',
    default: '12h',
    describe: `How long the certificate is valid, at most ${formatDuration(MAX_TTL_SECONDS)}`,
  },
  'public-addr': {
    ...text,
    value: 'HOST:PORT',
    describe: 'Where other machines reach registration-service [default: --registration-addr]',
  },
  'web-addr': { ...text, value: 'HOST:PORT', describe: 'Where other machines reach web-service' },
} as const satisfies OptionSet

/** The flags of `ca-service issue-admin`. */
export const ISSUE_ADMIN_FLAGS: typeof OWN_FLAGS & OptionSet = {
  ...OWN_FLAGS,
  ...Object.fromEntries(
    ADDRESSES.map(({ name, flag, fallback }) => [
      flag,
      { ...text, value: 'HOST:PORT', default: fallback, describe: `Where the operator reaches ${name}` },
    ]),
  ),
}

/** What identity to create, and where. */
export interface IssueAdminOptions extends Pick<OperatorProfile, 'addresses' | 'publicAddress' | 'webAddress'> {
  name: string
  roles: OperatorRole[]
  ttlSeconds: number
  /** The identity folder. */
  out: string
}

/** Checks the values of the flags. @throws UsageError */
export function readOptions(flags: Args<typeof OWN_FLAGS>): IssueAdminOptions {
  const given = flags as unknown as Record<string, string>
  const addresses = Object.fromEntries(
    ADDRESSES.map(({ shortName, flag }) => [shortName, given[flag]]),
  ) as OperatorProfile['addresses']
  try {
    return {
      out: flags.out,
      // A local cluster calls its identity operator.
      name: flags.name === 'operator' ? flags.name : parseNewMemberName(flags.name),
      roles: parseOperatorRoles(flags.roles.split(',')),
      ttlSeconds: parseTtl(flags.ttl),
      addresses,
      publicAddress: flags['public-addr'] ?? addresses.registration,
      ...(flags['web-addr'] !== undefined && { webAddress: parseServerAddress(flags['web-addr'], '--web-addr') }),
    }
  } catch (error) {
    throw new UsageError(messageOf(error))
  }
}

function parseTtl(text: string): number {
  const seconds = parseDuration(text, '--ttl')
  if (seconds > MAX_TTL_SECONDS) throw new Error(`--ttl: must be at most ${formatDuration(MAX_TTL_SECONDS)}`)
  return seconds
}
