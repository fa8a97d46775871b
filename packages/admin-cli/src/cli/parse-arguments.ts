import { didYouMean, UsageError, type Option, type OptionSet } from '@muster/cli-kit'
import type { Command } from './command.ts'
import type { Entry } from '../commands.ts'
import { GLOBAL_OPTIONS } from './global-options.ts'

/** Flags and arguments of a command. */
export type Args = Parameters<Command['run']>[0]

/**
 * Reads the arguments behind the words of a command, and checks them against its options. Those that ask for help or
 * for the version are not checked. @throws UsageError
 */
export async function parseArguments(
  entry: Entry,
  command: Command,
  rest: readonly string[],
): Promise<Args | 'help' | 'version'> {
  const options: OptionSet = { ...command.options, ...GLOBAL_OPTIONS }
  const { default: parser } = await import('yargs-parser')
  const named = (wanted: (option: Option) => boolean) =>
    Object.entries(options).flatMap(([name, option]) => (wanted(option) ? [name] : []))
  const takesValue = named(({ type }) => type !== 'boolean')
  const { argv, error } = parser.detailed([...rest], {
    string: takesValue,
    boolean: named(({ type }) => type === 'boolean'),
    array: named(({ array }) => array === true),
    narg: Object.fromEntries(takesValue.map((name) => [name, 1])),
    alias: Object.fromEntries(Object.entries(options).map(([name, { alias }]) => [name, alias ?? []])),
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
  for (const asked of ['help', 'version'] as const) if (flags[asked] === true) return asked
  refuseUnknown(flags, options)
  if (error !== null) {
    throw new UsageError(error.message.replace(/^Not enough arguments following: /, 'a value is missing after --'))
  }
  for (const [name, option] of Object.entries(options)) flags[name] = checked(name, option, flags[name])
  if (entry.rest === undefined && positionals.length > 0) throw new UsageError(`unknown argument: ${positionals[0]}`)
  return { ...flags, positionals } as unknown as Args
}

function refuseUnknown(flags: Readonly<Record<string, unknown>>, options: OptionSet): void {
  const name = Object.keys(flags).find((flag) => !Object.hasOwn(options, flag))
  if (name === undefined) return
  const flag = (word: string) => (word.length === 1 ? `-${word}` : `--${word}`)
  throw new UsageError(`unknown flag: ${flag(name)}${didYouMean(name, Object.keys(options), flag)}`)
}

function checked(name: string, { type, array, choices, default: byDefault }: Option, value: unknown): unknown {
  if (value === undefined) return byDefault
  if (Array.isArray(value) && array !== true) throw new UsageError(`--${name} is given more than once`)
  if (type === 'string' && choices !== undefined && !choices.includes(value as string)) {
    const known = `valid values: ${choices.join(', ')}`
    throw new UsageError(`--${name}: ${JSON.stringify(value)} is not known; ${known}`)
  }
  return type === 'number' ? parseNumber(name, value as string) : value
}

function parseNumber(name: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new UsageError(`--${name}: ${JSON.stringify(text)} is not a whole number`)
}
