import { until } from '@muster/embedded-stores'

/** Waits for a condition. @throws Error that names the condition if it does not hold within the limit */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  { limitMs = 10_000 }: { limitMs?: number } = {},
): Promise<void> {
  if (!(await until(condition, { limitMs, everyMs: 10 }))) throw new Error(`after ${limitMs} ms: not ${what}`)
}
