/** A flag as data for parsing, help and completion. A flag may be given once unless it is an `array`. */
export interface Option {
  type: 'string' | 'number' | 'boolean'
  /** May be given several times. */
  array?: boolean
  /** One letter. */
  alias?: string
  choices?: readonly string[]
  default?: string | number | undefined
  /** The command cannot run without it; it stands in the usage line. */
  required?: boolean
  /** How help shows the value: `--type=ROLES`. */
  value?: string
  /** What the value names, for completion: `file`, or a word that the program's `suggest` knows. */
  names?: string
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
type Given = { default: string | number } | { required: true }
type ValueOf<O extends Option> =
  (O extends { array: true } ? Single<O>[] : Single<O>) | (O extends Given ? never : undefined)

/** The flags as a command gets them. */
export type ArgsOf<O extends OptionSet> = { [Name in keyof O]: ValueOf<O[Name]> }

/** The values of --format: text is for people, json and yaml are for programs. */
export const FORMATS = ['text', 'json', 'yaml'] as const

/** One value of --format. */
export type Format = (typeof FORMATS)[number]
