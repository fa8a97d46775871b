import type { Clock } from '@muster/runtime'

/** The least time for a step, even if the time for the whole is nearly over. */
const LEAST_STEP_MS = 500

/**
 * Limits the steps of an action that has `wholeMs` from now on, so that this also holds for a server that does not answer.
 * @returns the limit for a step that may take `limitMs` otherwise
 */
export function stepLimits(clock: Clock, wholeMs: number): (limitMs: number) => number {
  const giveUpAt = clock.elapsedMs() + wholeMs
  return (limitMs) => Math.max(LEAST_STEP_MS, Math.min(limitMs, giveUpAt - clock.elapsedMs()))
}
