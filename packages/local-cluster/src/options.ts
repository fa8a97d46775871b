import path from 'node:path'
import { type Args, type OptionSet, type Program, UsageError } from '@muster/cli-kit'
import { programOf } from '@muster/cli-kit/only'
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

const FLAGS = {
  'data-dir': { type: 'string', value: 'DIR', default: '.muster', describe: 'Folder of everything that is kept' },
  port: { type: 'string', value: 'N', default: '3025', describe: 'Port of registration-service, 0 for a free one' },
  'cluster-name': {
    type: 'string',
    value: 'NAME',
    default: 'muster.internal',
    describe: 'Name and SPIFFE trust domain, fixed at the first start',
  },
  'no-node': { type: 'boolean', describe: 'Do not join this machine as a first node' },
} as const satisfies OptionSet

/** `npm start` as data; `start` runs the cluster. Its help is kept in help.txt, which scripts/start.mjs prints. */
export function npmStart(start: (options: LocalClusterOptions) => Promise<void>): Program {
  return programOf({
    name: 'npm start',
    typed: 'npm start --',
    describe: 'Run a whole cluster on this machine until stopped',
    command: {
      options: FLAGS,
      examples: [
        ['$0 --port 0 --data-dir /tmp/second', 'a second cluster beside the first'],
        ['$0 --cluster-name lab.example --no-node', 'with a name of its own, and no node yet'],
      ],
      run: (args, { io }) => start(readOptions(args, io.cwd)),
    },
    notes: [
      `Static tokens stand in DIR/${STATIC_TOKENS_FILE}: a list 'tokens' of entries such as 'node,proxy:VALUE' or 'node:/PATH/OF/FILE'.`,
    ],
    explain(error) {
      if (!(error instanceof UsageError) || !error.message.startsWith('unknown argument')) return undefined
      return { status: 2, message: `${error.message}\nFlags go behind two dashes: npm start -- --port 0` }
    },
  })
}

function readOptions(flags: Args<typeof FLAGS>, cwd: string): LocalClusterOptions {
  const { port } = flags
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65535) {
    throw new UsageError(`--port: ${JSON.stringify(port)} is not a number between 0 and 65535`)
  }
  try {
    return {
      dataDir: path.resolve(cwd, flags['data-dir']),
      port: Number(port),
      clusterName: parseClusterName(flags['cluster-name'], '--cluster-name'),
      withNode: flags['no-node'] !== true,
    }
  } catch (error) {
    throw new UsageError(messageOf(error))
  }
}
