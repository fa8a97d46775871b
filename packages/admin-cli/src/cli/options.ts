/** A flag of a command, as data for parsing, --help and completion. Each may be given once, save for those of type `array`. */
export interface Option {
  type: 'string' | 'number' | 'boolean'
  /** May be given several times. */
  array?: boolean
  /** One letter. */
  alias?: string
  choices?: readonly string[]
  default?: string | number | undefined
  describe: string
}

export type OptionSet = Record<string, Option>

type Single<O extends Option> = O extends { type: 'boolean' }
  ? boolean
  : O extends { type: 'number' }
    ? number
    : O extends { choices: readonly (infer Choice)[] }
      ? Choice
      : string
type ValueOf<O extends Option> =
  (O extends { array: true } ? Single<O>[] : Single<O>) | (O extends { default: string | number } ? never : undefined)

/** The flags as a command gets them. */
export type ArgsOf<O extends OptionSet> = { [Name in keyof O]: ValueOf<O[Name]> }

/** What every command understands. */
export const GLOBAL_OPTIONS = {
  identity: { type: 'string', describe: 'Folder of your identity' },
  cluster: { type: 'string', describe: 'Name of a cluster that you are logged in to' },
  verbose: { type: 'boolean', alias: 'v', describe: 'Say more about a failure: gRPC status, reason, service' },
  help: { type: 'boolean', alias: 'h', describe: 'Show this help' },
  version: { type: 'boolean', describe: 'Show the version' },
} as const satisfies OptionSet
