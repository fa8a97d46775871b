import { until } from '@muster/embedded-stores'

/** Waits for a condition. @throws Error that names the condition if it does not hold within the limit */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  { limitMs = 10_000, everyMs = 10 }: { limitMs?: number; everyMs?: number } = {},
): Promise<void> {
  if (!(await until(condition, { limitMs, everyMs }))) throw new Error(`after ${limitMs} ms: not ${what}`)
}
