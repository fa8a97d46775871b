import path from 'node:path'
import {
  messageOf,
  parseAdvertisedAddress,
  parseCaPin,
  parseHostname,
  parseJoinRoles,
  parseLabels,
  parseServerAddress,
} from '@muster/domain'
import type { NodeFacts } from '@muster/identity'
import { UsageError } from '@muster/cli-kit'
import { LOG_FORMATS, LOG_SEVERITIES, type LogSettings } from '../config/agent-log.ts'
import { parseDiagAddr } from '../config/diag-addr.ts'
import { DEFAULT_PORT } from '../config/start-flags.ts'
import type { ConfigFile, TextOrFile } from './config-file.ts'
import { readYaml, type YamlMap } from './yaml-map.ts'

/** Reads the text of a configuration. @throws UsageError that lists every problem with line and column */
export function parseConfigText(text: string, file: string): ConfigFile {
  try {
    return readYaml(text, file, (top) => readTop(top, file))
  } catch (error) {
    throw new UsageError(messageOf(error), { cause: error })
  }
}

function readTop(top: YamlMap, file: string): ConfigFile {
  // A file without any content says nothing, so /dev/null keeps the agent from its usual configuration.
  if (!top.isEmpty) top.require('version', 'add the line version: v1')
  top.text('version', (version, name) => {
    if (version !== 'v1') throw new Error(`${name}: this program reads v1 only`)
  })
  const muster = top.map('muster')
  top.refuseOthers()
  const folder = path.dirname(file)
  const config = {
    path: file,
    dataDir: muster.text('data_dir', (dir) => path.resolve(folder, dir)),
    facts: readFacts(muster),
    roles: muster.texts('roles', (roles, name) =>
      parseJoinRoles(
        roles.flatMap((role) => role.split(',')),
        name,
      ),
    ),
    authServer: muster.text('auth_server', (address, name) => parseServerAddress(address, name, DEFAULT_PORT)),
    caPins: muster.texts('ca_pin', (pins, name) => readPins(pins, name, folder)),
    token: readToken(muster.map('join_params'), folder),
    log: readLog(muster.map('log'), folder),
    diagAddr: muster.text('diag_addr', parseDiagAddr),
    identityGroup: muster.text('identity_group', (group) => group),
    onRenew: muster.text('on_renew', (command) => command),
  }
  muster.refuse('proxy_server', 'joining through a proxy is not available in this version; set auth_server instead')
  muster.refuseOthers()
  return config
}

function readFacts(muster: YamlMap): Partial<NodeFacts> {
  const facts = {
    hostname: muster.text('nodename', parseHostname),
    advertisedAddress: muster.text('advertise_ip', parseAdvertisedAddress),
    labels: muster.textMap('labels', parseLabels),
  }
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined))
}

function readToken(joinParams: YamlMap, folder: string): TextOrFile | undefined {
  joinParams.text('method', (method, name) => {
    if (method !== 'token') throw new Error(`${name}: the method token is the only one in this version`)
  })
  const token = joinParams.text('token_name', (text) => textOrFile(text, folder))
  joinParams.refuseOthers()
  return token
}

function readPins(pins: string[], name: string, folder: string): TextOrFile {
  const [first = ''] = pins
  const given = textOrFile(first, folder)
  if (pins.length === 1 && 'file' in given) return given
  return {
    text: pins
      .flatMap((list) => list.split(','))
      .map((pin) => parseCaPin(pin, name))
      .join(','),
  }
}

/** A text that begins with / or ./ is the path of a file; a relative one starts at the folder of the configuration. */
function textOrFile(text: string, folder: string): TextOrFile {
  return /^\.{0,2}\//.test(text) ? { file: path.resolve(folder, text) } : { text }
}

function readLog(log: YamlMap, folder: string): Partial<LogSettings> {
  const settings = {
    output: log.text('output', (output, name) => {
      if (output === 'stderr' || output === 'stdout') return output
      const found = textOrFile(output, folder)
      if ('file' in found) return found.file
      throw new Error(`${name}: must be stderr, stdout or the path of a file`)
    }),
    severity: log.text('severity', (text, name) => oneOf(LOG_SEVERITIES, text, name)),
    format: log.text('format', (text, name) => oneOf(LOG_FORMATS, text, name)),
  }
  log.refuseOthers()
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined))
}

function oneOf<T extends string>(values: readonly T[], text: string, name: string): T {
  const found = values.find((value) => value === text.toLowerCase())
  if (found === undefined) throw new Error(`${name}: must be ${values.slice(0, -1).join(', ')} or ${values.at(-1)}`)
  return found
}
