/** npm forwards Ctrl-C to a child that got it from the terminal already: the two signals arrive within milliseconds. */
export const NPM_ECHO_MS = 500

const PARENT_CHECK_MS = 500

/**
 * Calls `gone` once the parent process has ended. For programs that npm runs: on SIGTERM, npm ends only the shell between
 * itself and the program.
 */
export function onParentGone(gone: () => void): void {
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    gone()
  }, PARENT_CHECK_MS)
  timer.unref()
}

/**
 * Calls `stop` on the first SIGINT or SIGTERM; a second ends the process at once, with status 130.
 * `echoMs`: signals within this time after the first are ignored as its echo.
 */
export function onStopSignals(stop: (signal: NodeJS.Signals) => void, echoMs = 0): void {
  let firstAt: number | undefined
  const onSignal = (signal: NodeJS.Signals) => {
    if (firstAt === undefined) {
      firstAt = performance.now()
      stop(signal)
    } else if (performance.now() - firstAt >= echoMs) {
      process.exit(130)
    }
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
}
