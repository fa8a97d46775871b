import { setTimeout as delay } from 'node:timers/promises'

/** Polls a condition until it holds. @returns false if it does not hold within `limitMs` */
export async function until(
  condition: () => boolean | Promise<boolean>,
  { limitMs, everyMs = 20 }: { limitMs: number; everyMs?: number },
): Promise<boolean> {
  const end = performance.now() + limitMs
  while (!(await condition())) {
    if (performance.now() >= end) return false
    await delay(everyMs)
  }
  return true
}
