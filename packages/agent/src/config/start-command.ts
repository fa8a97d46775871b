import type { Command } from '@muster/cli-kit'
import { createLineLog, systemClock } from '@muster/runtime'
import { EXIT } from '../exit-status.ts'
import { parseStartFlags } from './options.ts'
import { START_EXAMPLES, START_OPTIONS, startFlagsOf } from './start-flags.ts'

/** Joins the cluster if need be, then runs until stopped. A stop is success, unless it cuts off a --oneshot run. */
export const startCommand: Command<typeof START_OPTIONS> = {
  options: START_OPTIONS,
  examples: START_EXAMPLES,
  async run(args, { io, signal }) {
    const options = parseStartFlags(startFlagsOf(args), io.env)
    // Loads gRPC, so usage errors come first.
    const { start } = await import('../run/start.ts')
    const log = createLineLog((text) => io.stderr.write(text))
    try {
      await start(options, { clock: systemClock, log, say: (line) => io.stdout.write(`${line}\n`), signal })
    } catch (error) {
      if (signal.aborted) return options.oneshot ? EXIT.failed : EXIT.ok
      throw error
    }
    return EXIT.ok
  },
}
