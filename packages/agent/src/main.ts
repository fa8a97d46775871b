import { main } from './cli.ts'

// A token given on the command line would stand in the process list for as long as the agent runs.
process.title = 'muster'

const stop = new AbortController()
let signals = 0
const onSignal = () => {
  signals += 1
  if (signals > 1) process.exit(130)
  stop.abort(new Error('stopped'))
}
process.on('SIGINT', onSignal)
process.on('SIGTERM', onSignal)

process.exitCode = await main(process.argv.slice(2), {
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
  env: process.env,
  signal: stop.signal,
})
// What is still open after a stop is a connection being closed; it must not hold the process.
setImmediate(() => process.exit())
