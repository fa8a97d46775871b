import { safeText } from '@muster/domain/safe-text'
import { systemClock, createLineLog, VERSION } from '@muster/runtime'
import yargs from 'yargs'
import { EXIT, exitStatusOf, explain, UsageError } from './exit-status.ts'
import { parseStartFlags } from './options.ts'

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
  let status: number = EXIT.ok
  let isJob = false
  const parser = yargs([...argv])
    .scriptName('muster')
    .version(VERSION)
    .strict()
    .exitProcess(false)
    .demandCommand(1, "Say what to do: muster start 'muster://...'")
    .recommendCommands()
    .epilog(EXIT_HELP)
    .example("muster start 'muster://...'", 'join by the invitation that an operator gave you, and stay')
    .example('muster start', 'come back after a restart; no token is needed')
    .command(
      'start [invitation]',
      'Join the cluster if need be, then stay on its roll until stopped',
      (command) =>
        command
          .positional('invitation', {
            type: 'string',
            describe:
              "'muster://...' in quotes, or the path of a file that holds it; says --auth-server, --token, --ca-pin and --roles",
          })
          .option('roles', {
            type: 'string',
            requiresArg: true,
            describe: 'What this node is: node, proxy, app, db, kube, ..., or bot [default: node]',
          })
          .option('token', {
            type: 'string',
            requiresArg: true,
            describe: 'The join token, or the path of a file that holds it',
          })
          .option('ca-pin', {
            type: 'string',
            requiresArg: true,
            array: true,
            describe: 'sha256:... of the cluster; may be repeated, one match is enough',
          })
          .option('auth-server', { type: 'string', requiresArg: true, describe: 'HOST:PORT of the cluster' })
          .option('data-dir', {
            type: 'string',
            requiresArg: true,
            describe: 'Where the identity is kept [default: /var/lib/muster for root, else ~/.local/share/muster]',
          })
          .option('nodename', {
            type: 'string',
            requiresArg: true,
            describe: 'Name on the roll [default: this host name]',
          })
          .option('labels', { type: 'string', requiresArg: true, describe: 'k=v,k=v' })
          .option('advertise-ip', { type: 'string', requiresArg: true, describe: 'Where others reach this node' })
          .option('join-timeout', {
            type: 'string',
            requiresArg: true,
            default: '30s',
            describe: 'How long to try to join',
          })
          .option('oneshot', {
            type: 'boolean',
            describe: 'Leave fresh credentials in the data directory and end',
          })
          .option('insecure-skip-ca-pin', { type: 'boolean', describe: 'Trust whoever answers. For experiments only' })
          .example("muster start 'muster://...'", 'join by an invitation and stay; the quotes keep it whole')
          .example('muster start /run/invitation', 'the same, and no secret on the command line')
          .example(
            'muster start --roles=node --token=/run/token --ca-pin=sha256:... --auth-server=10.0.0.1:3025',
            'join and stay',
          )
          .example('muster start', 'come back after a restart; no token is needed')
          .example("muster start --roles=bot --data-dir=./ci 'muster://...'", 'be a bot: keep credentials fresh there')
          .example(
            "muster start --oneshot --data-dir=./ci 'muster://...'",
            'credentials for one job, and nothing left running',
          ),
      async (flags) => {
        for (const [name, value] of Object.entries(flags)) {
          if (Array.isArray(value) && name !== 'caPin' && name !== 'ca-pin' && name !== '_') {
            throw new UsageError(`--${name} is given twice`)
          }
        }
        const options = parseStartFlags(flags, io.env)
        isJob = options.oneshot
        // Loaded late, so that --help and usage errors come at once.
        const { start } = await import('./start.ts')
        const log = createLineLog(io.stderr)
        await start(options, { clock: systemClock, log, say: (line) => io.stdout(`${line}\n`), signal: io.signal })
      },
    )
    .fail((message, error) => {
      // yargs says some of what is wrong with the flags by errors of its own.
      if (error !== undefined && error.name !== 'YError') throw error
      throw new UsageError(withoutValues(reworded(message, argv), argv))
    })
  try {
    await parser.parseAsync(argv, {}, (_error, _argv, output) => {
      if (output !== '') io.stdout(`${output}\n`)
    })
  } catch (error) {
    // Being stopped is how staying ends; of a job it means that it is not done.
    if (io.signal.aborted) return isJob ? EXIT.failed : EXIT.ok
    status = exitStatusOf(error)
    io.stderr(`muster: ${explain(error)}\n`)
    if (status === EXIT.usage) io.stderr(`'muster start --help' lists the flags.\n`)
  }
  return status
}

/** Servers and file names are quoted in what is written, so none of it may act on a terminal. */
function safely({ stdout, stderr, ...rest }: Io): Io {
  const lineByLine = (write: Io['stdout']) => (text: string) => write(text.split('\n').map(safeText).join('\n'))
  return { ...rest, stdout: lineByLine(stdout), stderr: lineByLine(stderr) }
}

/** What yargs says, in the words of musterctl. */
function reworded(message: string, argv: readonly string[]): string {
  const asTyped = (name: string) => (argv.some((arg) => arg.split('=')[0] === `--${name}`) ? `--${name}` : name)
  return message
    .replace(/^Did you mean start\?$/, "unknown command; did you mean 'muster start'?")
    .replace(/^Not enough arguments following: /, 'a value is missing after --')
    .replace(
      /^Unknown (arguments?): (.*)$/s,
      (_, word, names) => `unknown ${word}: ${names.split(', ').map(asTyped).join(', ')}`,
    )
}

/** A custom token value may be this short. */
const SHORTEST_SECRET = 16

/** yargs repeats arguments that it does not know, and one of them may be a token or an invitation in the wrong place. */
function withoutValues(message: string, argv: readonly string[]): string {
  return argv
    .filter((arg) => !arg.startsWith('-') && arg.length >= SHORTEST_SECRET)
    .reduce((text, arg) => text.replaceAll(arg, '(not repeated, as it may be a secret)'), message)
}
