import type { Clock, Lifecycle } from '@muster/runtime'

const CHECK_EVERY_MS = 3_000
const CHECK_LIMIT_MS = 2_000

/** What to check, and who is told of the result. */
export interface ReadinessOptions {
  /** Proves that the service can do its work, or rejects. */
  check: () => Promise<unknown>
  report: (ready: boolean) => void
  clock: Clock
  life: Pick<Lifecycle, 'signal'>
}

/**
 * Checks now and then every few seconds, until `life` closes, and reports after each check whether the service can do its
 * work. A check that hangs for 2 s counts as failed.
 */
export function watchReadiness({ check, report, clock, life: { signal } }: ReadinessOptions): void {
  const isReady = async () => {
    const decided = new AbortController()
    const limit = clock.sleep(CHECK_LIMIT_MS, AbortSignal.any([signal, decided.signal])).then(
      () => false,
      () => false,
    )
    const checked = check().then(
      () => true,
      () => false,
    )
    const ready = await Promise.race([checked, limit])
    decided.abort()
    return ready
  }
  const watch = async () => {
    while (!signal.aborted) {
      const ready = await isReady()
      if (signal.aborted) return
      report(ready)
      // Rejects when the signal aborts: the loop ends.
      await clock.sleep(CHECK_EVERY_MS, signal).catch(() => {})
    }
  }
  void watch()
}
