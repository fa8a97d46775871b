import { existsSync, readFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import {
  messageOf,
  type NodeRole,
  parseAdvertisedAddress,
  parseCaPin,
  parseDuration,
  parseHostname,
  parseLabelList,
  parseJoinRoles,
  parseServerAddress,
} from '@muster/domain'
import type { NodeFacts } from '@muster/identity'
import { UsageError } from '@muster/cli-kit'
import { DEFAULT_JOIN_TIMEOUT, type StartFlags } from './start-flags.ts'
import { misplacedInvitations, readGivenInvitation, duplicatedValues } from '../join/invitation.ts'

/** What a node reports about itself: the flags, else its last report, else the name of this machine alone. */
export function nodeFacts(given: Partial<NodeFacts>, last: Partial<NodeFacts> = {}): NodeFacts {
  return {
    hostname: given.hostname ?? last.hostname ?? machineName(),
    labels: given.labels ?? last.labels ?? {},
    advertisedAddress: given.advertisedAddress ?? last.advertisedAddress ?? '',
  }
}

function machineName(): string {
  try {
    return parseHostname(os.hostname(), "this machine's name")
  } catch (error) {
    throw new UsageError(`${messageOf(error)}; give another with --nodename`)
  }
}

/** The checked flags of `muster start`. Values that only a first start needs may be undefined. */
export interface StartOptions {
  dataDir: string
  /** What the node reports about itself, as far as flags give it; the rest stays as in the last report. */
  facts: Partial<NodeFacts>
  joinTimeoutMs: number
  roles: NodeRole[] | undefined
  token: string | undefined
  /** An invitation was given. */
  isInvited: boolean
  caPins: string[]
  skipCaPin: boolean
  authServer: string | undefined
  /** Exit once the credentials are on disk. */
  oneshot: boolean
}

const DEFAULT_PORT = 3025

/** Checks all flags; the environment fills in what is left out. @throws UsageError that lists every problem */
export function parseStartFlags(flags: StartFlags, env: NodeJS.ProcessEnv): StartOptions {
  const problems = misplacedInvitations(flags)
  if (problems.length > 0) throw new UsageError(problems.join('\n'))
  const parse = <T>(read: () => T): T | undefined => {
    try {
      return read()
    } catch (error) {
      problems.push(messageOf(error))
      return undefined
    }
  }
  const given = <T>(name: keyof NodeFacts, text: string | undefined, read: (text: string) => T) => {
    const value = text === undefined ? undefined : parse(() => read(text))
    return value === undefined ? {} : { [name]: value }
  }
  // Ignore empty variables: an empty data directory would mean the current folder.
  const variable = (name: string) => env[name] || undefined
  problems.push(...duplicatedValues(flags, variable))
  const invitation = parse(() => readGivenInvitation(flags, variable))
  const authServer = flags.authServer ?? invitation?.address ?? variable('MUSTER_AUTH_SERVER')
  const token = flags.token ?? (invitation === undefined ? variable('MUSTER_TOKEN') : undefined)
  const pins = flags.caPin ?? invitation?.caPins ?? variable('MUSTER_CA_PIN')?.split(',') ?? []
  const options = {
    dataDir: path.resolve(flags.dataDir ?? variable('MUSTER_DATA_DIR') ?? defaultDataDir(env)),
    facts: {
      ...given('hostname', flags.nodename, (text) => parseHostname(text, '--nodename')),
      ...given('labels', flags.labels, (text) => parseLabelList(text, '--labels')),
      ...given('advertisedAddress', flags.advertiseIp, (text) => parseAdvertisedAddress(text, '--advertise-ip')),
    },
    joinTimeoutMs:
      (parse(() => parseDuration(flags.joinTimeout ?? DEFAULT_JOIN_TIMEOUT, '--join-timeout')) ?? 0) * 1000,
    roles: parse(() => (flags.roles === undefined ? invitation?.roles.slice() : rolesOf(flags.roles))),
    token: token === undefined ? invitation?.token : parse(() => valueOrFile(token)),
    isInvited: invitation !== undefined,
    caPins: pins.flatMap((list) => list.split(',')).flatMap((pin) => parse(() => parseCaPin(pin, '--ca-pin')) ?? []),
    skipCaPin: flags.insecureSkipCaPin ?? false,
    authServer:
      authServer === undefined ? undefined : parse(() => parseServerAddress(authServer, '--auth-server', DEFAULT_PORT)),
    oneshot: flags.oneshot ?? false,
  }
  if (options.skipCaPin && options.caPins.length > 0) {
    const source = flags.caPin === undefined && invitation !== undefined ? 'the CA pin of the invitation' : '--ca-pin'
    problems.push(`--insecure-skip-ca-pin contradicts ${source}`)
  }
  if (problems.length > 0) throw new UsageError(problems.join('\n'))
  return options
}

function rolesOf(text: string): NodeRole[] {
  return parseJoinRoles(text.split(','), '--roles')
}

/** Reads a token, or the file that holds it: a path keeps the token off the command line. */
function valueOrFile(text: string): string {
  if (text === '') throw new Error('--token is empty')
  if (existsSync(text)) {
    const token = readFileSync(text, 'utf8').trim()
    if (token === '') throw new Error(`--token: the file ${text} is empty`)
    return token
  }
  // The error does not repeat the text: it may be a token.
  if (/^[./~]/.test(text)) throw new Error('--token: looks like a path, but there is no such file')
  return text
}

function defaultDataDir(env: NodeJS.ProcessEnv): string {
  if (process.getuid?.() === 0) return '/var/lib/muster'
  return path.join(env.XDG_DATA_HOME ?? path.join(os.homedir(), '.local', 'share'), 'muster')
}
