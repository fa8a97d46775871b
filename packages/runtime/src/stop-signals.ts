/** npm passes a terminal's Ctrl-C on to a child that the terminal has told already: the two come within milliseconds. */
export const NPM_ECHO_MS = 500

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
