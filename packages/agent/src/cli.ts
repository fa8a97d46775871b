import { safeText } from '@muster/domain/safe-text'
import { createLineLog, systemClock, VERSION } from '@muster/runtime'
import yargs from 'yargs'
import { EXIT, exitStatusOf, explain } from './exit-status.ts'
import { parseStartFlags, type StartFlags } from './config/options.ts'
import { parseError } from './config/parse-errors.ts'
import { EXAMPLES, INVITATION, refuseRepeats, START_EXAMPLES, START_OPTIONS } from './config/start-command.ts'

/** Where the program reads and writes. */
export interface Io {
  stdout: (text: string) => void
  stderr: (text: string) => void
  env: NodeJS.ProcessEnv
  /** Aborts when the program should end. */
  signal: AbortSignal
}

const EXIT_HELP =
  'Exit status: 0 stopped, 1 failed, 2 bad usage, 3 refused by the cluster, 4 the server is not to be trusted, ' +
  '5 not reachable within --join-timeout.'

/** Runs `muster` with these arguments. @returns the exit status */
export async function main(argv: readonly string[], terminal: Io): Promise<number> {
  const io = safely(terminal)
  let isJob = false
  const parser = parserOf(argv, async (flags) => {
    const options = parseStartFlags(flags, io.env)
    isJob = options.oneshot
    // Loaded late, so that --help and usage errors come at once.
    const { start } = await import('./run/start.ts')
    const log = createLineLog(io.stderr)
    await start(options, { clock: systemClock, log, say: (line) => io.stdout(`${line}\n`), signal: io.signal })
  })
  try {
    await parser.parseAsync(argv, {}, (_error, _argv, output) => {
      if (output !== '') io.stdout(`${output}\n`)
    })
    return EXIT.ok
  } catch (error) {
    // Being stopped is how staying ends; of a job it means that it is not done.
    if (io.signal.aborted) return isJob ? EXIT.failed : EXIT.ok
    const status = exitStatusOf(error)
    io.stderr(`muster: ${explain(error)}\n`)
    if (status === EXIT.usage) io.stderr(`'muster start --help' lists the flags.\n`)
    return status
  }
}

function parserOf(argv: readonly string[], start: (flags: StartFlags) => Promise<void>) {
  return yargs([...argv])
    .scriptName('muster')
    .version(VERSION)
    .strict()
    .exitProcess(false)
    .demandCommand(1, "Say what to do: muster start 'muster://...'")
    .recommendCommands()
    .epilog(EXIT_HELP)
    .example(EXAMPLES)
    .command(
      'start [invitation]',
      'Join the cluster if need be, then stay on its roll until stopped',
      (command) => command.positional('invitation', INVITATION).options(START_OPTIONS).example(START_EXAMPLES),
      async (flags) => {
        refuseRepeats(flags)
        await start(flags)
      },
    )
    .fail((message, error) => {
      // yargs says some of what is wrong with the flags by errors of its own.
      if (error !== undefined && error.name !== 'YError') throw error
      throw parseError(message, argv)
    })
}

/** Servers and file names are quoted in what is written, so none of it may act on a terminal. */
function safely({ stdout, stderr, ...rest }: Io): Io {
  const lineByLine = (write: Io['stdout']) => (text: string) => write(text.split('\n').map(safeText).join('\n'))
  return { ...rest, stdout: lineByLine(stdout), stderr: lineByLine(stderr) }
}
