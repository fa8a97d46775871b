import type { Io } from '@muster/cli-kit'
import type { Command, Context } from './cli/command.ts'
import { EXIT } from './cli/exit-status.ts'
import { findCommand, nameOf, unknownCommand, type Typed } from './cli/find-command.ts'
import { commandHelp, groupHelp } from './cli/help.ts'
import { identityFlags } from './identity/identity-flags.ts'
import { parseArguments, type Args } from './cli/parse-arguments.ts'

/** Runs `musterctl` with these arguments. Never throws: what goes wrong is said on stderr. @returns the exit status */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  const typed = findCommand(asFlags(argv))
  try {
    return (await obey(typed, io)) ?? EXIT.done
  } catch (error) {
    const verbose = argv.some((argument) => argument === '-v' || argument === '--verbose')
    const { reportError } = await import('./cli/report-error.ts')
    return reportError(error, io, { verbose, typed: nameOf(typed) })
  }
}

/** `help tokens add` and `version`, as other programs have them, for `tokens add --help` and `--version`. */
function asFlags(argv: readonly string[]): readonly string[] {
  const [first, ...others] = argv
  return first === 'help' || first === 'version' ? [...others, `--${first}`] : argv
}

async function obey(typed: Typed, io: Io): Promise<number | void> {
  const { noun, entry, unknown, rest } = typed
  const asks = (flag: string) => (rest.includes('--') ? rest.slice(0, rest.indexOf('--')) : rest).includes(flag)
  if (entry !== undefined) {
    const command = await entry.load()
    const parsed = await parseArguments(entry, command, rest)
    if (parsed === 'help') return void io.stdout.write(commandHelp(entry, command, widthOf(io)))
    if (parsed !== 'version') return run(command, parsed, io)
  }
  if (asks('--version')) {
    const { VERSION } = await import('@muster/runtime')
    io.stdout.write(`${VERSION}\n`)
  } else if (asks('--help') || asks('-h')) {
    io.stdout.write(groupHelp(noun, widthOf(io)))
  } else if (unknown !== undefined) {
    throw unknownCommand(typed)
  } else {
    io.stderr.write(groupHelp(noun, widthOf(io)))
    return EXIT.usage
  }
}

function widthOf({ stdout }: Io): number {
  return Math.min(stdout.columns ?? 100, 120)
}

async function run(command: Command, args: Args, io: Io): Promise<number | void> {
  const now = io.now ?? (() => new Date())
  const closers: (() => Promise<void>)[] = []
  const context: Context = {
    io,
    now,
    signal: io.signal ?? new AbortController().signal,
    async cluster() {
      const { openCluster } = await import('./cluster/cluster.ts')
      const cluster = await openCluster({
        io,
        now,
        signal: context.signal,
        flags: identityFlags(args),
      })
      closers.push(() => cluster.close())
      return cluster
    },
  }
  try {
    return await command.run(args, context)
  } finally {
    await Promise.all(closers.map((close) => close()))
  }
}
