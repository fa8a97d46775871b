import { UsageError } from '../command/errors.ts'
import type { Option, OptionSet } from '../command/options.ts'
import type { Args, Command, Entry, Program } from '../command/program.ts'
import { didYouMean } from './did-you-mean.ts'
import { readFlags } from './read-flags.ts'
import { repeatable, repeatableFlag } from './secrets.ts'

/**
 * Reads the arguments behind the words of a command, and checks them against its options. Arguments that ask for help or
 * for the version are not checked. @throws UsageError
 */
export async function parseArguments(
  program: Pick<Program, 'options'>,
  entry: Pick<Entry, 'rest'>,
  command: Pick<Command, 'options' | 'requiredHint'>,
  words: readonly string[],
): Promise<Args | 'help' | 'version'> {
  const options: OptionSet = { ...command.options, ...program.options }
  const { flags, positionals, withoutValue } = await readFlags(words, options)
  for (const asked of ['help', 'version'] as const) if (flags[asked] === true) return asked
  refuseUnknown(flags, options)
  if (withoutValue !== undefined) throw new UsageError(`a value is missing after --${withoutValue}`)
  refuseBooleanValues(words, options)
  const extra = positionals[entry.rest === undefined ? 0 : (entry.rest.most ?? Infinity)]
  if (extra !== undefined) throw new UsageError(`unknown argument: ${repeatable(extra)}`)
  refuseMissing(flags, command)
  for (const [name, option] of Object.entries(options)) flags[name] = checked(name, option, flags[name])
  return { ...flags, positionals } as unknown as Args
}

function refuseUnknown(flags: Readonly<Record<string, unknown>>, options: OptionSet): void {
  const unknown = Object.keys(flags).filter((flag) => !Object.hasOwn(options, flag))
  if (unknown.length === 0) return
  const listed = unknown.map(repeatableFlag).join(', ')
  if (unknown.length > 1) throw new UsageError(`unknown flags: ${listed}`)
  throw new UsageError(`unknown flag: ${listed}${didYouMean(unknown[0]!, Object.keys(options), repeatableFlag)}`)
}

/** The parser reads any value of a switch but `true` as false. */
function refuseBooleanValues(words: readonly string[], options: OptionSet): void {
  for (const word of words) {
    if (word === '--') return
    const [, name = '', value] = /^--([^=]+)=(.*)$/s.exec(word) ?? []
    if (Object.hasOwn(options, name) && options[name]!.type === 'boolean' && value !== 'true' && value !== 'false') {
      throw new UsageError(`--${name} takes no value`)
    }
  }
}

/** All that are missing are named at once. */
function refuseMissing(
  flags: Readonly<Record<string, unknown>>,
  { options, requiredHint }: Pick<Command, 'options' | 'requiredHint'>,
): void {
  const missing = Object.entries(options).filter(([name, { required }]) => required === true && !(name in flags))
  const [first, ...others] = missing
  if (first === undefined) return
  const names = missing.map(([name]) => `--${name}`).join(', ')
  const hint = requiredHint ?? uncapitalised(first[1].describe)
  if (others.length === 0) throw new UsageError(`${names} is required: ${hint}`)
  throw new UsageError(`${names} are required${requiredHint === undefined ? '' : `: ${requiredHint}`}`)
}

function checked(name: string, option: Option, value: unknown): unknown {
  const { type, array, choices, default: byDefault } = option
  if (value === undefined) return byDefault
  if (Array.isArray(value) && array !== true) throw new UsageError(`--${name} is given more than once`)
  if (type === 'string' && choices !== undefined && !choices.includes(value as string)) {
    const known = `valid values: ${choices.join(', ')}`
    throw new UsageError(`--${name}: ${quoted(value as string)} is not known; ${known}`)
  }
  return type === 'number' ? parseNumber(name, value as string) : value
}

function uncapitalised(text: string): string {
  return `${text.slice(0, 1).toLowerCase()}${text.slice(1)}`
}

function quoted(value: string): string {
  const shown = repeatable(value)
  return shown === value ? JSON.stringify(value) : `the value ${shown}`
}

function parseNumber(name: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new UsageError(`--${name}: ${quoted(text)} is not a whole number`)
}
