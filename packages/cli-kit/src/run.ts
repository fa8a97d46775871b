import type { Io } from './command/io.ts'
import type { Args, Command, Context, Program } from './command/program.ts'
import type { OptionSet } from './command/options.ts'
import { commandHelp, groupHelp } from './help/help.ts'
import { findCommand, pathOf, type Typed } from './parse/find-command.ts'

/** Runs a program with these arguments. Never throws: errors are reported on stderr. @returns the exit status */
export async function runProgram<C extends Context>(
  program: Program<C>,
  argv: readonly string[],
  io: Io,
): Promise<number> {
  const typed = findCommand(program, asFlags(program, argv))
  try {
    return (await runTyped(program, typed, io)) ?? 0
  } catch (error) {
    const { reportError } = await import('./run/report-error.ts')
    const verbose = argv.some((argument) => argument === '-v' || argument === '--verbose')
    return reportError(program, error, io, { verbose, path: pathOf(program, typed.noun, typed.entry) })
  }
}

/** Reads `help tokens add` and `version`, as other programs have them, as `tokens add --help` and `--version`. */
function asFlags({ only }: Pick<Program, 'only'>, argv: readonly string[]): readonly string[] {
  const [first, ...others] = argv
  return only === undefined && (first === 'help' || first === 'version') ? [...others, `--${first}`] : argv
}

async function runTyped<C extends Context>(program: Program<C>, typed: Typed<C>, io: Io): Promise<number | void> {
  const { noun, entry, unknown, rest } = typed
  const flags = rest.includes('--') ? rest.slice(0, rest.indexOf('--')) : rest
  if (entry !== undefined) {
    const [command, { parseArguments }] = await Promise.all([entry.load(), import('./parse/parse-arguments.ts')])
    const parsed = await parseArguments(program, entry, command, rest)
    if (parsed === 'help') return void io.stdout.write(commandHelp(program, entry, command, widthOf(io)))
    if (parsed !== 'version') return runCommand(program, command, parsed, io)
  }
  if (flags.includes('--version')) {
    io.stdout.write(`${await program.version()}\n`)
  } else if (flags.includes('--help') || flags.includes('-h')) {
    io.stdout.write(groupHelp(program, noun, widthOf(io)))
  } else if (unknown !== undefined) {
    const { unknownCommand } = await import('./parse/unknown-command.ts')
    throw unknownCommand(program, typed)
  } else {
    io.stderr.write(groupHelp(program, noun, widthOf(io)))
    return program.exits.usage
  }
}

/** How wide help is: the terminal, up to 120 columns. */
function widthOf({ stdout }: Io): number {
  return Math.min(stdout.columns ?? 100, 120)
}

async function runCommand<C extends Context>(
  program: Program<C>,
  command: Command<OptionSet, C>,
  args: Args,
  io: Io,
): Promise<number | void> {
  const now = io.now ?? (() => new Date())
  const signal = io.signal ?? new AbortController().signal
  const { context, close } = await program.extend({ io, now, signal, program }, args)
  try {
    return await command.run(args, context)
  } finally {
    await close?.()
  }
}

/**
 * The terminal, environment and folder of this process. A reader that has seen enough ends it, as in
 * `musterctl nodes ls | head -1`, unless the command outlives its output. A lost standard error never ends it.
 */
export function processIo(program: string): Io {
  let outlives = false
  process.stderr.on('error', () => {})
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (outlives) return
    if (error.code === 'EPIPE') process.exit(0)
    process.stderr.write(`${program}: standard output cannot be written to: ${error.message}\n`)
    process.exit(1)
  })
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    // Opened only when read: it costs a few milliseconds.
    get stdin() {
      return process.stdin
    },
    outliveOutput: () => {
      outlives = true
    },
    env: process.env,
    cwd: process.cwd(),
  }
}
