/** A task of a program: runs until the signal aborts, and then returns; throwing ends the program. */
export type Task = (signal: AbortSignal) => Promise<void>

/**
 * Runs tasks side by side. The first that fails or returns aborts the others; when all have ended, the first failure is
 * thrown. Failures after the abort are consequences and are dropped.
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
