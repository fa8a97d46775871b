/** A task of a program. It runs until the signal aborts, then returns. If it throws, the program ends. */
export type Task = (signal: AbortSignal) => Promise<void>

/**
 * Runs tasks concurrently. When one fails or returns, the others are aborted. Throws the first failure after all have
 * ended; failures after the abort are consequences and are ignored.
 */
export async function runTasks(tasks: readonly Task[], signal: AbortSignal): Promise<void> {
  const group = new AbortController()
  const stop = () => group.abort(signal.reason)
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop, { once: true })
  let failure: { error: unknown } | undefined
  await Promise.all(
    tasks.map(async (task) => {
      try {
        await task(group.signal)
      } catch (error) {
        if (!group.signal.aborted) failure = { error }
      } finally {
        group.abort(new Error('another task ended'))
      }
    }),
  )
  signal.removeEventListener('abort', stop)
  if (failure !== undefined) throw failure.error
}
