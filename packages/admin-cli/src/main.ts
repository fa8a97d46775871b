import { main } from './cli.ts'

// A token given on the command line would otherwise stand in the process list.
process.title = 'musterctl'

const stop = new AbortController()
const onSignal = () => {
  if (stop.signal.aborted) process.exit(130)
  stop.abort(new Error('interrupted'))
}
process.on('SIGINT', onSignal)
process.on('SIGTERM', onSignal)

// Whoever read the output has had enough, as in `musterctl nodes ls | head -1`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  process.stderr.write(`musterctl: standard output cannot be written to: ${error.message}\n`)
  process.exit(1)
})

process.exitCode = await main(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  // Opened only if asked for: it costs a few milliseconds.
  get stdin() {
    return process.stdin
  },
  env: process.env,
  cwd: process.cwd(),
  signal: stop.signal,
})
