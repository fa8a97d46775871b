import type { OptionSet } from '../command/options.ts'

/** Flags and positional arguments as typed, not checked yet. */
export interface Raw {
  flags: Record<string, unknown>
  positionals: string[]
  /** The flag whose value is missing. */
  withoutValue: string | undefined
}

/** Splits the arguments into flags and positional arguments. Flags that are not among the options are kept as typed. */
export async function readFlags(words: readonly string[], options: OptionSet): Promise<Raw> {
  const { default: parser } = await import('yargs-parser')
  const all = Object.entries(options)
  const takesValue = all.flatMap(([name, { type }]) => (type === 'boolean' ? [] : [name]))
  const { argv, error } = parser.detailed([...words], {
    string: takesValue,
    boolean: all.flatMap(([name, { type }]) => (type === 'boolean' ? [name] : [])),
    array: all.flatMap(([name, { array }]) => (array === true ? [name] : [])),
    narg: Object.fromEntries(takesValue.map((name) => [name, 1])),
    alias: Object.fromEntries(all.map(([name, { alias }]) => [name, alias ?? []])),
    configuration: {
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'greedy-arrays': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'strip-aliased': true,
    },
  })
  const { _: positionals, ...flags } = argv as { _: string[] } & Record<string, unknown>
  // The parser has no other error than this one.
  const withoutValue = error?.message.replace(/^.*: /, '')
  return { flags, positionals: positionals.map(String), withoutValue }
}
