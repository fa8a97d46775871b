import { setTimeout as delay } from 'node:timers/promises'
import { WAIT_LIMIT_MS } from './limits.ts'

/** Waits for a condition. @throws Error that names the condition if it does not hold within the limit */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  { limitMs = WAIT_LIMIT_MS, everyMs = 10 }: { limitMs?: number; everyMs?: number } = {},
): Promise<void> {
  const end = performance.now() + limitMs
  while (!(await condition())) {
    if (performance.now() >= end) throw new Error(`after ${limitMs} ms: not ${what}`)
    await delay(everyMs)
  }
}
