import yargs, { type Argv } from 'yargs'
import type { Command } from './command.ts'
import { COMMANDS, NOUNS, type Entry } from './commands.ts'
import { UsageError } from './errors.ts'
import type { Io } from './io.ts'

const EPILOG =
  'The identity is that of --identity, --cluster or MUSTER_IDENTITY, else .muster/operator here or in a folder above, ' +
  "else that of the current cluster: 'musterctl clusters ls' shows them.\nExit status: 0 done, 1 refused or failed, 2 bad usage."

const GLOBAL_OPTIONS = {
  identity: { type: 'string', requiresArg: true, describe: 'Folder of your identity' },
  cluster: { type: 'string', requiresArg: true, describe: 'Name of a cluster that you are logged in to' },
  verbose: { type: 'boolean', alias: 'v', describe: 'Say more about a failure' },
} as const

/** The message of the UsageError for arguments that name no command. */
export const NO_COMMAND = 'which command?'

/** A command that was asked for, with its arguments. */
export interface Chosen {
  command: Command
  args: Parameters<Command['run']>[0]
}

/** What the arguments ask for: a command, or a text to show. @throws UsageError */
export async function parseArguments(argv: readonly string[], io: Io): Promise<Chosen | string> {
  let chosen: Chosen | undefined
  let text = ''
  const version = argv.includes('--version') ? (await import('@muster/runtime')).VERSION : ''
  const parser = yargs([...argv], io.cwd)
    .scriptName('musterctl')
    .usage('$0 <command>\n\nLets machines into the cluster, and shows who is in.')
    .detectLocale(false)
    .parserConfiguration({ 'dot-notation': false, 'boolean-negation': false })
    .wrap(Math.min(io.stdout.columns ?? 100, 120))
    .options(GLOBAL_OPTIONS)
    .help()
    .alias('help', 'h')
    .version(version)
    .epilog(EPILOG)
    .exitProcess(false)
    .showHelpOnFail(false)
    .strict()
    .recommendCommands()
    .demandCommand(1, NO_COMMAND)
    .fail((message, error) => {
      throw error ?? usageError(message, argv)
    })
  addCommands(parser, (found) => (chosen = found))
  try {
    await parser.parseAsync([...argv], {}, (_error, _args, output) => {
      text ||= output
    })
  } catch (error) {
    throw error instanceof Error && error.name === 'YError' ? usageError(error.message, argv) : error
  }
  return chosen ?? text
}

function addCommands(parser: Argv, choose: (chosen: Chosen) => void): void {
  for (const [noun, describe] of Object.entries(NOUNS)) {
    const entries = COMMANDS.filter((entry) => entry.noun === noun)
    parser.command(noun, describe, (group) => {
      group.usage(`$0 ${noun} <command>\n\n${describe}.`).demandCommand(1, NO_COMMAND)
      return entries.reduce((all, entry) => addCommand(all, entry, choose), group)
    })
  }
  COMMANDS.filter(({ noun }) => noun === undefined).forEach((entry) => addCommand(parser, entry, choose))
}

function addCommand(parser: Argv, entry: Entry, choose: (chosen: Chosen) => void): Argv {
  const { verb, aliases = [], describe, rest } = entry
  const usage = rest === undefined ? verb : `${verb} [${rest.name}..]`
  let command: Command | undefined
  const build = async (builder: Argv): Promise<Argv> => {
    command = await entry.load()
    builder.usage(`$0 ${[entry.noun, usage].filter(Boolean).join(' ')}\n\n${describe}.`).options(command.options)
    if (rest !== undefined) builder.positional(rest.name, { type: 'string', array: true, describe: rest.describe })
    builder
      .group(Object.keys(command.options), 'Flags:')
      .group([...Object.keys(GLOBAL_OPTIONS), 'help', 'version'], 'Everywhere:')
    command.examples.forEach(([line, meaning]) => builder.example(line, meaning))
    return builder
  }
  return parser.command([usage, ...aliases], describe, build, (args) => {
    refuseRepeats(command!, args)
    const positionals = rest === undefined ? [] : ((args[rest.name] as string[] | undefined) ?? [])
    choose({ command: command!, args: { ...args, positionals } })
  })
}

/** What yargs found wrong with the arguments, in our words where its own are hard to read. */
function usageError(message: string, argv: readonly string[]): UsageError {
  const choice = /Argument: (\S+), Given: (".*"), Choices: (.*)/.exec(message)
  if (choice !== null) {
    return new UsageError(`--${choice[1]}: ${choice[2]} is not known; valid values: ${choice[3]!.replaceAll('"', '')}`)
  }
  const unknown = /^Unknown argument: (.*)$/.exec(message)?.[1] ?? ''
  const isCommand = typedCommand(argv) === '' && argv.includes(unknown)
  return new UsageError(
    message
      .replace(/^Did you mean/, 'no such command; did you mean')
      .replace(/^Not enough arguments following: /, 'a value is missing after --')
      .replace(/^Unknown argument/, isCommand ? 'unknown command' : 'unknown argument'),
  )
}

/** yargs makes a list of a flag given twice; none of ours is one. */
function refuseRepeats({ options }: Command, args: Readonly<Record<string, unknown>>): void {
  for (const name of Object.keys({ ...options, ...GLOBAL_OPTIONS })) {
    if (Array.isArray(args[name])) throw new UsageError(`--${name} is given more than once`)
  }
}

/** The command among the arguments, such as `tokens add`, for pointing at its help. */
export function typedCommand([first = '', second]: readonly string[]): string {
  const entry =
    COMMANDS.find(({ noun, verb, aliases = [] }) => noun === first && [verb, ...aliases].includes(second ?? '')) ??
    COMMANDS.find(({ noun, verb }) => noun === undefined && verb === first)
  if (entry !== undefined) return [entry.noun, entry.verb].filter(Boolean).join(' ')
  return first in NOUNS ? first : ''
}
