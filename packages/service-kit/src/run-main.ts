import { Lifecycle, type Logger, onStopSignals, outliveOutput, systemClock } from '@muster/runtime'
import type { z } from 'zod'
import { ConfigError, parseConfig } from './config.ts'
import { createLogger, type LogLevel } from './log.ts'
import type { ServiceStart } from './open-service.ts'

/**
 * How long everything else may take to close after the server has drained. Without a limit a statement that waits for a
 * lock would hold the database pool for ever.
 */
const CLOSE_LIMIT_MS = 1_000

/** A service as a program. */
export interface Program<S extends z.ZodObject> {
  name: string
  /** The environment that it reads. */
  configSchema: S
  /** Opens everything and hands it to `life`, which closes it. */
  start(start: ServiceStart<Readonly<z.output<S>>>): Promise<unknown>
}

/**
 * Runs a service: configuration, log, signals, exit status. The status is 2 for a bad configuration (a ConfigError, also
 * from `start`), 1 for a failed start, 0 after a clean stop. The first SIGINT or SIGTERM closes in reverse order; a second
 * ends the process at once. A lost log stops nothing. `--check-config` stops after the configuration has been read.
 */
export async function runMain<S extends z.ZodObject>(
  { name, configSchema, start }: Program<S>,
  env: NodeJS.ProcessEnv,
  argv: readonly string[],
): Promise<void> {
  outliveOutput()
  let config: Readonly<z.output<S>>
  try {
    config = parseConfig(configSchema, env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${name}: ${error.message}\nThe README of ${name} lists every variable.\n`)
    process.exitCode = 2
    return
  }
  if (argv.includes('--check-config')) {
    process.stdout.write(`${name}: the configuration is usable\n`)
    return
  }
  const common = config as { MUSTER_LOG_LEVEL?: LogLevel; MUSTER_DRAIN_TIMEOUT_MS?: number }
  const log = createLogger(name, common.MUSTER_LOG_LEVEL)
  const life = new Lifecycle()
  closeOnSignals(life, log, (common.MUSTER_DRAIN_TIMEOUT_MS ?? 0) + CLOSE_LIMIT_MS)
  try {
    await start({ config, log, life, clock: systemClock })
  } catch (error) {
    if (!life.signal.aborted) {
      log.error({ err: error, event: 'service.failed' }, `${name} did not start: ${String(error)}`)
      process.exitCode = error instanceof ConfigError ? 2 : 1
    }
    await life.close(log)
  }
}

/**
 * Closes `life` on the first SIGINT or SIGTERM and exits at once on the second. Exits after `limitMs` even if something
 * has not closed: every state change is one statement or one transaction, so nothing stays half done.
 */
function closeOnSignals(life: Lifecycle, log: Logger, limitMs: number): void {
  onStopSignals((signal) => {
    log.info({ event: 'service.stopping', signal }, 'stopping')
    setTimeout(() => {
      log.warn({ event: 'service.stopped' }, 'stopped before everything had closed')
      process.exit()
    }, limitMs)
    void life.close(log).finally(() => {
      log.info({ event: 'service.stopped' }, 'stopped')
      // Everything is closed. A stray timer or socket must not keep a stopped service alive.
      setImmediate(() => process.exit())
    })
  })
}
