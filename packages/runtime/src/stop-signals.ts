/** npm passes a terminal's Ctrl-C on to a child that the terminal has told already: the two come within milliseconds. */
export const NPM_ECHO_MS = 500

const PARENT_CHECK_MS = 500

/**
 * Calls `gone` once the parent process has ended. For programs that npm runs: told to stop by SIGTERM, npm ends the shell
 * between itself and the program, which tells nobody.
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
 * `echoMs`: signals this close to the first are taken for its echo and passed over.
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
