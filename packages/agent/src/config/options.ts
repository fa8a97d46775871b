import { readFileSync } from 'node:fs'
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
  secretText,
  secretWord,
} from '@muster/domain'
import { mayExist, withFileSync } from '@muster/runtime'
import type { NodeFacts } from '@muster/identity'
import { UsageError } from '@muster/cli-kit'
import { SYSTEM_DATA_DIR } from '../status/not-joined.ts'
import type { ConfigFile } from '../config-file/config-file.ts'
import { readIfThere } from '../config-file/text-or-file.ts'
import type { LogSettings } from './agent-log.ts'
import { parseDiagAddr } from './diag-addr.ts'
import { DEFAULT_JOIN_TIMEOUT, DEFAULT_PORT, type StartFlags } from './start-flags.ts'
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
  /** What named the data directory, for messages: a flag, a variable, a line of the configuration. */
  dataDirFrom: string
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
  /** The path of the configuration, if the token comes from there. */
  tokenIn: string | undefined
  /** Why values that the configuration names are not there. Only a join needs them. */
  notes: string[]
  log: Partial<LogSettings>
  diagAddr: string | undefined
  /** The group whose members may read what is published for foreign servers. */
  identityGroup: string | undefined
  /** A shell command for after each change of it. */
  onRenew: string | undefined
}

/**
 * Checks all flags; the environment, then the configuration, fill in what is left out.
 * @throws UsageError that lists every problem
 */
export function parseStartFlags(flags: StartFlags, env: NodeJS.ProcessEnv, config?: ConfigFile): StartOptions {
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
  // Ignore empty variables.
  const variable = (name: string) => env[name] || undefined
  problems.push(...duplicatedValues(flags, variable))
  const invitation = parse(() => readGivenInvitation(flags, variable))
  const notes: string[] = []
  const authServer = flags.authServer ?? invitation?.address ?? variable('MUSTER_AUTH_SERVER') ?? config?.authServer
  const token = flags.token ?? (invitation === undefined ? variable('MUSTER_TOKEN') : undefined)
  const usesTokenOfConfig = token === undefined && invitation === undefined && config?.token !== undefined
  const fromConfig = (key: 'token' | 'caPins') => parse(() => readIfThere(config, key, notes, env))
  const pinsOfConfig = () => fromConfig('caPins')?.split(',') ?? []
  const pins = flags.caPin ?? invitation?.caPins ?? variable('MUSTER_CA_PIN')?.split(',') ?? pinsOfConfig()
  const sourceOfPins = () => {
    if (flags.caPin !== undefined) return '--ca-pin'
    if (invitation !== undefined) return 'the CA pin of the invitation'
    return variable('MUSTER_CA_PIN') !== undefined || config === undefined
      ? 'MUSTER_CA_PIN'
      : `ca_pin in ${config.path}`
  }
  const diagAddr = flags.diagAddr ?? variable('MUSTER_DIAG_ADDR')
  const options = {
    dataDir: dataDirOf(flags.dataDir, env, config),
    dataDirFrom: sourceOfDataDir(flags.dataDir, env, config),
    facts: {
      ...config?.facts,
      ...given('hostname', flags.nodename, (text) => parseHostname(text, '--nodename')),
      ...given('labels', flags.labels, (text) => parseLabelList(text, '--labels')),
      ...given('advertisedAddress', flags.advertiseIp, (text) => parseAdvertisedAddress(text, '--advertise-ip')),
    },
    joinTimeoutMs:
      (parse(() => parseDuration(flags.joinTimeout ?? DEFAULT_JOIN_TIMEOUT, '--join-timeout')) ?? 0) * 1000,
    roles: parse(() =>
      flags.roles === undefined ? (invitation?.roles.slice() ?? config?.roles) : rolesOf(flags.roles),
    ),
    token:
      token !== undefined
        ? parse(() => valueOrFile(token, flags.token === undefined ? 'MUSTER_TOKEN' : '--token'))
        : (invitation?.token ?? fromConfig('token')),
    isInvited: invitation !== undefined,
    caPins: pins.flatMap((list) => list.split(',')).flatMap((pin) => parse(() => parseCaPin(pin, '--ca-pin')) ?? []),
    skipCaPin: flags.insecureSkipCaPin ?? false,
    authServer:
      authServer === undefined ? undefined : parse(() => parseServerAddress(authServer, '--auth-server', DEFAULT_PORT)),
    oneshot: flags.oneshot ?? false,
    tokenIn: usesTokenOfConfig ? config.path : undefined,
    notes,
    log: config?.log ?? {},
    identityGroup: flags.identityGroup ?? variable('MUSTER_IDENTITY_GROUP') ?? config?.identityGroup,
    onRenew: flags.onRenew ?? variable('MUSTER_ON_RENEW') ?? config?.onRenew,
    diagAddr: diagAddr === undefined ? config?.diagAddr : parse(() => parseDiagAddr(diagAddr)),
  }
  if (options.skipCaPin && options.caPins.length > 0) {
    problems.push(`--insecure-skip-ca-pin contradicts ${sourceOfPins()}`)
  }
  if (problems.length > 0) throw new UsageError(problems.join('\n'))
  return options
}

/** The absolute path of the data directory: of the flag, else the environment, else the configuration, else the default. */
export function dataDirOf(flag: string | undefined, env: NodeJS.ProcessEnv, config: ConfigFile | undefined): string {
  if (flag === '') throw new UsageError('--data-dir is empty')
  // An empty variable would mean the current folder.
  return path.resolve(flag ?? (env['MUSTER_DATA_DIR'] || undefined) ?? config?.dataDir ?? defaultDataDir(env))
}

function sourceOfDataDir(flag: string | undefined, env: NodeJS.ProcessEnv, config: ConfigFile | undefined): string {
  if (flag !== undefined) return '--data-dir'
  if (env['MUSTER_DATA_DIR']) return 'MUSTER_DATA_DIR'
  return config?.dataDir === undefined ? '--data-dir, by default' : `muster.data_dir in ${config.path}`
}

function rolesOf(text: string): NodeRole[] {
  return parseJoinRoles(text.split(','), '--roles')
}

/** Reads a token, or the file that holds it: a path keeps the token off the command line. */
function valueOrFile(given: string, name: string): string {
  const text = secretText(given, name)
  if (mayExist(text)) {
    const content = withFileSync('read', text, () => readFileSync(text), name)
    return secretWord(content, `${name}: the file ${text}`)
  }
  // The error does not repeat the text: it may be a token.
  if (/^[./~]/.test(text)) throw new Error(`${name}: looks like a path, but there is no such file`)
  return secretWord(text, name)
}

function defaultDataDir(env: NodeJS.ProcessEnv): string {
  // Of a unit of systemd with StateDirectory=.
  if (env['STATE_DIRECTORY']) return env['STATE_DIRECTORY']
  return process.getuid?.() === 0 ? SYSTEM_DATA_DIR : userDataDir(env)
}

/** The data directory of a user other than root. @throws UsageError if they have no home folder */
export function userDataDir(env: NodeJS.ProcessEnv): string {
  // The XDG specification says to ignore a path that is not absolute; an empty variable is one.
  const base = env.XDG_DATA_HOME
  if (base !== undefined && path.isAbsolute(base)) return path.join(base, 'muster')
  return path.join(homeOf(env), '.local', 'share', 'muster')
}

/** The home folder of the environment, else of the account. os.homedir() would return an empty HOME as it is. */
function homeOf(env: NodeJS.ProcessEnv): string {
  try {
    return env.HOME || os.userInfo().homedir
  } catch {
    throw new UsageError('--data-dir must be given: HOME is not set, and this user has no account with a home folder')
  }
}
