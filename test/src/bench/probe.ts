import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { Session } from 'node:inspector/promises'
import { collectGarbage } from './collect.ts'

// Loaded into a service by `node --import`, so that the benchmark can look inside without a line of it in the service:
// collects garbage and takes CPU profiles when asked over the Unix socket that MUSTER_BENCH_PROBE names.

const session = new Session()

const answers: Record<string, () => Promise<unknown>> = {
  '/collect': collectGarbage,
  async '/profile/start'() {
    session.connect()
    await session.post('Profiler.enable')
    await session.post('Profiler.setSamplingInterval', { interval: 250 })
    await session.post('Profiler.start')
    return {}
  },
  async '/profile/stop'() {
    const { profile } = await session.post('Profiler.stop')
    session.disconnect()
    const file = `${process.env['MUSTER_BENCH_PROBE']}.${Date.now()}.cpuprofile`
    await writeFile(file, JSON.stringify(profile), { mode: 0o600 })
    return { file }
  },
}

createServer((request, response) => {
  const answer = answers[request.url ?? '']
  if (answer === undefined) response.writeHead(404).end()
  else
    answer().then(
      (body) => response.end(JSON.stringify(body)),
      (error: unknown) => response.writeHead(500).end(String(error)),
    )
})
  .listen(process.env['MUSTER_BENCH_PROBE'])
  .unref()
