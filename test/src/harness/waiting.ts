import { setTimeout as delay } from 'node:timers/promises'
import { WAIT_LIMIT_MS } from '@muster/testkit'

/**
 * Calls `look` repeatedly until it returns a value, and returns that. An error counts as no value
 * yet.
 * @throws Error that says what was waited for, with the last thing thrown as its cause
 */
export async function waitFor<T>(
  what: string,
  look: () => T | Promise<T>,
  { limitMs = WAIT_LIMIT_MS, everyMs = 50 }: { limitMs?: number; everyMs?: number } = {},
): Promise<NonNullable<Exclude<T, false>>> {
  const end = performance.now() + limitMs
  let cause: unknown
  for (;;) {
    try {
      const seen = await look()
      if (seen !== undefined && seen !== null && seen !== false) return seen as NonNullable<Exclude<T, false>>
    } catch (error) {
      cause = error
    }
    if (performance.now() >= end) throw new Error(`${what}: not within ${limitMs} ms`, { cause })
    await delay(everyMs)
  }
}
