import { processIo } from '@muster/cli-kit/run'
import { main } from './cli.ts'

/** Runs `musterctl` as this process, with its arguments, streams and signals, and sets the exit status. */
export async function runMusterctl(): Promise<void> {
  // Keeps a token on the command line out of the process list.
  process.title = 'musterctl'

  const stop = new AbortController()
  const onSignal = () => {
    if (stop.signal.aborted) process.exit(130)
    stop.abort(new Error('interrupted'))
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)

  process.exitCode = await main(process.argv.slice(2), Object.assign(processIo('musterctl'), { signal: stop.signal }))
}
