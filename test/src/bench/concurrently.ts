/** Runs `work` this many times, several at once. @returns the milliseconds that each took. The first failure ends it. */
export async function concurrently(
  { count, concurrency }: { count: number; concurrency: number },
  work: (index: number) => Promise<unknown>,
): Promise<number[]> {
  const durationsMs: number[] = []
  let next = 0
  const runner = async () => {
    while (next < count) {
      const index = next++
      const startedAt = performance.now()
      await work(index)
      durationsMs.push(performance.now() - startedAt)
    }
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, runner))
  return durationsMs
}
