import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { collectDefaultMetrics, Counter, Registry } from 'prom-client'
import { splitAddress } from '@muster/domain'

/** The HTTP server of a service's diagnostics. */
export interface Diagnostics {
  /** HOST:PORT on which it listens. */
  address: string
  close(): Promise<void>
}

/** Opens a registry with the process's own metrics in it. */
export function createMetrics(service: string): Registry {
  const registry = new Registry()
  registry.setDefaultLabels({ service })
  collectDefaultMetrics({ register: registry })
  // Gauges by the names of counters, and totals of the gauges beside them.
  for (const what of ['handles', 'requests', 'resources']) registry.removeSingleMetric(`nodejs_active_${what}_total`)
  return registry
}

/** Counts failed rounds of background tasks, by task. */
export function countBackgroundFailures(registry: Registry): Counter<'task'> {
  return new Counter({
    name: 'muster_background_failures_total',
    help: 'Failed rounds of background tasks such as sweeps and purges, by task',
    labelNames: ['task'],
    registers: [registry],
  })
}

/**
 * Serves /metrics (Prometheus text), /healthz (200 while the process runs) and /readyz (200 while `isReady`, else 503).
 * Use a loopback address: there is no authentication.
 */
export async function serveDiagnostics(
  listenAddress: string,
  registry: Registry,
  isReady: () => boolean,
): Promise<Diagnostics> {
  const server = createServer((request, response) => {
    const reply = (status: number, type: string, body: string) => {
      response.writeHead(status, { 'content-type': type }).end(body)
    }
    if (request.method !== 'GET') reply(405, 'text/plain', 'only GET\n')
    else if (request.url === '/healthz') reply(200, 'text/plain', 'ok\n')
    else if (request.url === '/readyz')
      reply(isReady() ? 200 : 503, 'text/plain', isReady() ? 'ready\n' : 'not ready\n')
    else if (request.url === '/metrics') {
      registry.metrics().then(
        (text) => reply(200, registry.contentType, text),
        (error: unknown) => reply(500, 'text/plain', `${String(error)}\n`),
      )
    } else reply(404, 'text/plain', 'try /metrics, /healthz or /readyz\n')
  })
  const { host, port } = splitAddress(listenAddress)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
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
