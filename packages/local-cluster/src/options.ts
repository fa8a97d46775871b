import path from 'node:path'
import { parseArgs } from 'node:util'
import { messageOf, parseClusterName } from '@muster/domain'

/** The options of `npm start`. */
export interface LocalClusterOptions {
  dataDir: string
  /** 0 takes a free one. */
  port: number
  clusterName: string
  withNode: boolean
}

/** In the data directory: the configuration of token-service, which its README describes. */
export const STATIC_TOKENS_FILE = 'token-service.yaml'

/** The help text of `npm start`. */
export const USAGE = `Usage: npm start -- [options]

  --data-dir DIR      where everything is kept [default: .muster]
  --port N            port of registration-service, 0 for a free one [default: 3025]
  --cluster-name N    name and SPIFFE trust domain, fixed at the first start [default: muster.internal]
  --no-node           do not join this machine as a first node
  --help              this text

Static tokens stand in DIR/${STATIC_TOKENS_FILE}: a list 'tokens' of entries such as 'node,proxy:VALUE' or 'node:/PATH/OF/FILE'.
`

/** Reads the arguments of `npm start --`. Undefined asks for the usage. @throws Error that names the bad one */
export function parseOptions(argv: string[], cwd: string): LocalClusterOptions | undefined {
  const { values } = parseArgs({
    args: argv,
    options: {
      'data-dir': { type: 'string', default: '.muster' },
      port: { type: 'string', default: '3025' },
      'cluster-name': { type: 'string', default: 'muster.internal' },
      'no-node': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return undefined
  if (!/^\d{1,5}$/.test(values.port) || Number(values.port) > 65535) {
    throw new Error(`--port: ${JSON.stringify(values.port)} is not a number between 0 and 65535`)
  }
  return {
    dataDir: path.resolve(cwd, values['data-dir']),
    port: Number(values.port),
    clusterName: parseClusterName(values['cluster-name'], '--cluster-name'),
    withNode: !values['no-node'],
  }
}

/** The text for arguments that cannot be read. */
export function usageError(error: unknown): string {
  const text = messageOf(error)
  const hint = text.startsWith('Unexpected argument') ? 'Options go behind two dashes: npm start -- --port 0\n' : ''
  return `npm start: ${text}\n${hint}\n${USAGE}`
}
