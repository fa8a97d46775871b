import type { NodeRole } from '@muster/domain'
import type { NodeFacts } from '@muster/identity'

/** What `muster configure` writes into a configuration. */
export interface ConfigValues {
  facts: Partial<NodeFacts>
  dataDir: string | undefined
  roles: readonly NodeRole[]
  authServer: string
  caPins: readonly string[]
  /** The token, or the absolute path of the file that holds it. */
  token: string
  diagAddr: string | undefined
}

/**
 * The text of a configuration. The line `  ca_pin: ""` stays when no pin is known, so that a person, or `sed`, can complete
 * it.
 */
export function formatConfig({ facts, dataDir, roles, authServer, caPins, token, diagAddr }: ConfigValues): string {
  const { hostname, advertisedAddress, labels = {} } = facts
  const optional = (key: string, value: string | undefined) => (value ? [`  ${key}: ${quoted(value)}`] : [])
  const pins = caPins.length > 1 ? `[${caPins.map(quoted).join(', ')}]` : quoted(caPins[0] ?? '')
  const labelLines = Object.entries(labels).map(([key, value]) => `    ${quoted(key)}: ${quoted(value)}`)
  return [
    // The install script knows a file of ours by these words.
    "# Written by 'muster configure'; 'muster start' reads it. Once the node has joined, the token is not needed.",
    'version: v1',
    'muster:',
    ...optional('nodename', hostname),
    ...optional('data_dir', dataDir),
    ...optional('advertise_ip', advertisedAddress),
    ...(labelLines.length === 0 ? [] : ['  labels:', ...labelLines]),
    `  roles: [${roles.join(', ')}]`,
    `  auth_server: ${quoted(authServer)}`,
    `  ca_pin: ${pins}`,
    '  join_params:',
    `    token_name: ${quoted(token)}`,
    '    method: token',
    '  log:',
    '    output: stderr',
    '    severity: info',
    '    format: text',
    ...optional('diag_addr', diagAddr),
    '',
  ].join('\n')
}

/** A double-quoted scalar: JSON strings are YAML (YAML 1.2 §1.3). */
function quoted(text: string): string {
  return JSON.stringify(text)
}
