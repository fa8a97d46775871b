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

/** The flags of a command by name. */
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
