import type { Clock } from './clock.ts'
import type { Lifecycle } from './lifecycle.ts'
import type { Logger } from './logger.ts'

/** What background tasks need of the program that runs them. */
export interface Background {
  clock: Clock
  log: Logger
  /** Ends the tasks when it closes, and waits for the round that is running. */
  life: Lifecycle
  /** Counts failed rounds by task; a prom-client counter fits. */
  failures: { inc(labels: { task: string }, by?: number): void }
}

/** Work that is repeated after a pause. */
export interface BackgroundTask {
  /** Names the task in logs and in the metric, such as `audit-purge`. */
  task: string
  /** The pause between two rounds, in milliseconds; a function is asked before each pause. */
  everyMs: number | (() => number)
  /** One round. It must be safe to repeat: after a failure the next round tries again. */
  work: (signal: AbortSignal) => Promise<unknown>
}

/** A task that keeps failing is logged at its first failure and then at most this often. */
const WARN_EVERY_MS = 60_000

/**
 * Runs a task now and then after every pause, until `life` closes. A failed round is counted and logged as a warning; the
 * next round tries again. Rounds never overlap.
 */
export function repeatEvery({ task, everyMs, work }: BackgroundTask, background: Background): void {
  const { clock, log, life, failures } = background
  const { signal } = life
  let failed = 0
  let warnAt = 0
  const round = async () => {
    try {
      await work(signal)
      if (failed > 0) log.info({ task, failed }, `the background task ${task} works again`)
      failed = 0
      warnAt = 0
    } catch (error) {
      if (signal.aborted) return
      failed += 1
      failures.inc({ task })
      const now = clock.now().getTime()
      if (now < warnAt) return
      warnAt = now + WARN_EVERY_MS
      log.warn({ err: error, task, failed }, `the background task ${task} failed; the next round tries again`)
    }
  }
  const run = async () => {
    while (!signal.aborted) {
      await round()
      const pauseMs = typeof everyMs === 'number' ? everyMs : everyMs()
      // Rejects when the signal aborts: the loop ends.
      await clock.sleep(pauseMs, signal).catch(() => {})
    }
  }
  // A counter that starts at zero shows the first failure as an increase.
  failures.inc({ task }, 0)
  life.own(task, { ended: run() }, ({ ended }) => ended)
}
