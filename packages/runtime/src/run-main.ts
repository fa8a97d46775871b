import type { z } from 'zod'
import { ConfigError, parseConfig } from './config.ts'
import { Lifecycle } from './lifecycle.ts'
import { createLogger, type Logger, type LogLevel } from './log.ts'
import { onStopSignals } from './stop-signals.ts'

export interface Program<S extends z.ZodObject> {
  name: string
  schema: S
  /** Opens everything; what it opens, it hands to `life`. */
  start(config: Readonly<z.output<S>>, log: Logger, life: Lifecycle): Promise<unknown>
}

/**
 * Runs a service: configuration, log, signals, exit status. 2 for bad configuration, 1 for a failed start, 0 after a
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
  const log = createLogger(program.name, (config as { MUSTER_LOG_LEVEL?: LogLevel }).MUSTER_LOG_LEVEL)
  const life = new Lifecycle()
  closeOnSignals(life, log)
  try {
    await program.start(config, log, life)
  } catch (error) {
    if (!life.signal.aborted) {
      log.error({ err: error, event: 'service.failed' }, `${program.name} did not start: ${String(error)}`)
      process.exitCode = 1
    }
    await life.close(log)
  }
}

/** Closes `life` on the first SIGINT or SIGTERM and exits at once on the second. */
export function closeOnSignals(life: Lifecycle, log: Logger): void {
  onStopSignals((signal) => {
    log.info({ event: 'service.stopping', signal }, 'stopping')
    void life.close(log).finally(() => {
      log.info({ event: 'service.stopped' }, 'stopped')
      // Everything is closed; whatever else might hold the loop must not keep a stopped service alive.
      setImmediate(() => process.exit())
    })
  })
}
