import type { Clock, Logger } from '@muster/runtime'
import { LogBudget } from '@muster/rpc/server'
import type { FastifyInstance } from 'fastify'
import { Histogram, type Registry } from 'prom-client'

/** Where requests are recorded. */
export interface RecordOptions {
  log: Logger
  clock: Clock
  metrics: Registry
}

/**
 * Writes one line for each request, within the budget for strangers, and measures it. Line and metric have the route and
 * never the path: a person may have pasted a secret into it.
 */
export function recordRequests(app: FastifyInstance, { log, clock, metrics }: RecordOptions): void {
  const durations = new Histogram({
    name: 'muster_web_request_duration_seconds',
    help: 'Time to serve a request, by route and HTTP status',
    labelNames: ['route', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60],
    registers: [metrics],
  })
  const budget = new LogBudget('requests', log, clock)
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unknown'
    const status = reply.statusCode
    durations.observe({ route, status }, reply.elapsedTime / 1_000)
    if (!budget.take()) return
    const { remoteAddress } = request.socket
    const durationMs = Math.round(reply.elapsedTime)
    log.info({ event: 'web.request', method: request.method, route, status, durationMs, remoteAddress }, 'request')
  })
}
