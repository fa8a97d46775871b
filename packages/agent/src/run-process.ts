import { processIo } from '@muster/cli-kit/run'
import { NPM_ECHO_MS, onParentGone, onStopSignals } from '@muster/runtime'
import { main } from './cli.ts'

/** Runs `muster` as this process, with its arguments, streams and signals, and ends the process with the exit status. */
export async function runMuster(): Promise<void> {
  const stop = new AbortController()
  const end = () => stop.abort(new Error('stopped'))
  onStopSignals(end, NPM_ECHO_MS)
  if (process.env['npm_lifecycle_event'] !== undefined) onParentGone(end)

  process.exitCode = await main(process.argv.slice(2), Object.assign(processIo('muster'), { signal: stop.signal }))
  // After a stop, a connection that is still closing must not keep the process.
  setImmediate(() => process.exit())
}
