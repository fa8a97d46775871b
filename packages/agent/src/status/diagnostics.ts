import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { UsageError } from '@muster/cli-kit'
import { messageOf, splitAddress } from '@muster/domain'
import { VERSION } from '@muster/runtime'
import { reportJson, type Report } from './report.ts'

/** The HTTP server of an agent's diagnostics. */
export interface Diagnostics {
  /** HOST:PORT on which it listens. */
  address: string
  close(): Promise<void>
}

/**
 * Serves /healthz (200 while the process runs), /readyz (200 while nothing is wrong, else 503; the report as JSON) and
 * /metrics (Prometheus text). There is no authentication, so the address must be of this machine alone.
 * @throws UsageError if it cannot listen there
 */
export async function serveDiagnostics(address: string, readReport: () => Promise<Report>): Promise<Diagnostics> {
  const pages: Record<string, () => Promise<[status: number, type: string, body: string]>> = {
    '/healthz': async () => [200, 'text/plain', 'ok\n'],
    '/readyz': async () => {
      const report = await readReport()
      const status = report.problems.length === 0 ? 200 : 503
      return [status, 'application/json', `${JSON.stringify(reportJson(report))}\n`]
    },
    '/metrics': async () => [200, 'text/plain; version=0.0.4', metricsOf(await readReport())],
  }
  const server = createServer((request, response) => {
    const reply = (status: number, type: string, body: string) => {
      response.writeHead(status, { 'content-type': type }).end(body)
    }
    const page = pages[request.url ?? '']
    if (request.method !== 'GET') reply(405, 'text/plain', 'only GET\n')
    else if (page === undefined) reply(404, 'text/plain', `try ${Object.keys(pages).join(', ')}\n`)
    else
      page().then(
        (answer) => reply(...answer),
        (error: unknown) => reply(500, 'text/plain', `${messageOf(error)}\n`),
      )
  })
  const { host, port } = splitAddress(address)
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new UsageError(`--diag-addr: ${error.message}`, { cause: error })))
    server.listen(port, host, resolve)
  })
  const bound = server.address() as AddressInfo
  return {
    address: `${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function metricsOf({ profile, certificate, lastBeatAt, problems }: Report): string {
  const seconds = (date: Date) => date.getTime() / 1000
  const lines: [name: string, help: string, value: number][] = [
    ['muster_agent_ready', '1 while nothing is wrong', Number(problems.length === 0)],
    ['muster_agent_joined', '1 once the machine has joined', Number(profile !== undefined)],
  ]
  if (certificate !== undefined) {
    const help = 'When the certificate expires, as Unix time'
    lines.push(['muster_agent_certificate_expires_timestamp_seconds', help, seconds(certificate.expiresAt)])
  }
  if (lastBeatAt !== undefined) {
    const help = 'When the cluster last answered a heartbeat, as Unix time'
    lines.push(['muster_agent_last_beat_timestamp_seconds', help, seconds(lastBeatAt)])
  }
  const gauges = lines.map(([name, help, value]) => `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${name} ${value}\n`)
  const info = `# HELP muster_agent_info The version of the agent\n# TYPE muster_agent_info gauge\nmuster_agent_info{version="${VERSION}"} 1\n`
  return gauges.join('') + info
}
