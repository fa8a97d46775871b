import type { OptionSet } from '@muster/cli-kit'

/** What every command understands. */
export const GLOBAL_OPTIONS = {
  identity: { type: 'string', describe: 'Folder of your identity' },
  cluster: { type: 'string', describe: 'Name of a cluster that you are logged in to' },
  verbose: { type: 'boolean', alias: 'v', describe: 'Say more about a failure: gRPC status, reason, service' },
  help: { type: 'boolean', alias: 'h', describe: 'Show this help' },
  version: { type: 'boolean', describe: 'Show the version' },
} as const satisfies OptionSet
