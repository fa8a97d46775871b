import type { Context } from './command.ts'
import { UsageError } from './errors.ts'
import { identityFlags } from './identity-flags.ts'
import type { Io } from './io.ts'
import { NO_COMMAND, parseArguments, typedCommand, type Chosen } from './parse-arguments.ts'
import { EXIT, reportError } from './report-error.ts'

/** Runs `musterctl` with these arguments. Never throws: what goes wrong is said on stderr. @returns the exit status */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  const verbose = argv.some((argument) => argument === '-v' || argument === '--verbose')
  try {
    const parsed = await parseArguments(argv, io)
    if (typeof parsed !== 'string') return (await run(parsed, io)) ?? EXIT.done
    io.stdout.write(`${parsed}\n`)
    return EXIT.done
  } catch (error) {
    if (error instanceof UsageError && error.message === NO_COMMAND) {
      const help = await parseArguments(['--help', ...argv], io)
      if (typeof help === 'string') io.stderr.write(`${help}\n`)
      return EXIT.usage
    }
    return reportError(error, io, { verbose, typed: typedCommand(argv) })
  }
}

async function run({ command, args }: Chosen, io: Io): Promise<number | void> {
  const now = io.now ?? (() => new Date())
  const closers: (() => Promise<void>)[] = []
  const context: Context = {
    io,
    now,
    signal: io.signal ?? new AbortController().signal,
    async cluster() {
      const { openCluster } = await import('./cluster.ts')
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
