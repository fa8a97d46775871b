import type { z } from 'zod'
import { ConfigError, parseConfig } from './config.ts'
import { Lifecycle, onStopSignals, type Logger } from '@muster/runtime'
import { createLogger, type LogLevel } from './log.ts'

/** For all that closes after the server has drained. A statement that waits for a lock would hold the database pool for ever. */
const CLOSE_LIMIT_MS = 1_000

/** A service as a program: its name, its variables, how it starts. */
export interface Program<S extends z.ZodObject> {
  name: string
  schema: S
  /** Opens everything; what it opens, it hands to `life`. */
  start(config: Readonly<z.output<S>>, log: Logger, life: Lifecycle): Promise<unknown>
}

/**
 * Runs a service: configuration, log, signals, exit status. 2 for bad configuration, also if only the start shows it (a ConfigError), 1 for a failed start, 0 after a
 * clean stop. The first SIGINT or SIGTERM closes in reverse order; a second ends at once.
 * `--check-config` stops after the configuration has been read.
 */
export async function runMain<S extends z.ZodObject>(
  program: Program<S>,
  env: NodeJS.ProcessEnv,
  argv: readonly string[],
): Promise<void> {
  let config: Readonly<z.output<S>>
  try {
    config = parseConfig(program.schema, env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${program.name}: ${error.message}\nThe README of ${program.name} lists every variable.\n`)
    process.exitCode = 2
    return
  }
  if (argv.includes('--check-config')) {
    process.stdout.write(`${program.name}: the configuration is usable\n`)
    return
  }
  const common = config as { MUSTER_LOG_LEVEL?: LogLevel; MUSTER_DRAIN_TIMEOUT_MS?: number }
  const log = createLogger(program.name, common.MUSTER_LOG_LEVEL)
  const life = new Lifecycle()
  closeOnSignals(life, log, (common.MUSTER_DRAIN_TIMEOUT_MS ?? 0) + CLOSE_LIMIT_MS)
  try {
    await program.start(config, log, life)
  } catch (error) {
    if (!life.signal.aborted) {
      log.error({ err: error, event: 'service.failed' }, `${program.name} did not start: ${String(error)}`)
      process.exitCode = error instanceof ConfigError ? 2 : 1
    }
    await life.close(log)
  }
}

/**
 * Closes `life` on the first SIGINT or SIGTERM and exits at once on the second. What has not closed within `limitMs` is
 * left behind: state changes are single statements and transactions, so nothing is half done.
 */
export function closeOnSignals(life: Lifecycle, log: Logger, limitMs: number): void {
  onStopSignals((signal) => {
    log.info({ event: 'service.stopping', signal }, 'stopping')
    setTimeout(() => {
      log.warn({ event: 'service.stopped' }, 'stopped, though a part of it has not closed')
      process.exit()
    }, limitMs)
    void life.close(log).finally(() => {
      log.info({ event: 'service.stopped' }, 'stopped')
      // Everything is closed; whatever else might hold the loop must not keep a stopped service alive.
      setImmediate(() => process.exit())
    })
  })
}
