import { NPM_ECHO_MS, onParentGone, onStopSignals } from '@muster/runtime'
import { main } from './cli.ts'

const stop = new AbortController()
const end = () => stop.abort(new Error('stopped'))
onStopSignals(end, NPM_ECHO_MS)
if (process.env['npm_lifecycle_event'] !== undefined) onParentGone(end)

process.exitCode = await main(process.argv.slice(2), {
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
  env: process.env,
  signal: stop.signal,
})
// What is still open after a stop is a connection being closed; it must not hold the process.
setImmediate(() => process.exit())
