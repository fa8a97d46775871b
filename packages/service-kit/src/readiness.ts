const CHECK_EVERY_MS = 3_000
const CHECK_LIMIT_MS = 2_000

/**
 * Runs a deep check at once and then every few seconds, and says after each whether the service can do its work.
 * @returns how to stop
 */
export function watchReadiness(check: () => Promise<unknown>, report: (ready: boolean) => void): () => void {
  let stopped = false
  const run = async () => {
    let timer: NodeJS.Timeout | undefined
    const limit = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error('the check took too long')), CHECK_LIMIT_MS)
    })
    const ready = await Promise.race([check(), limit]).then(
      () => true,
      () => false,
    )
    clearTimeout(timer)
    if (!stopped) report(ready)
  }
  void run()
  const interval = setInterval(() => void run(), CHECK_EVERY_MS)
  return () => {
    stopped = true
    clearInterval(interval)
  }
}
