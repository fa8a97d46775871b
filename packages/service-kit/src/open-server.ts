import type { Lifecycle } from '@muster/runtime'
import type { CurrentRoles } from '@muster/rpc'
import { type RpcServer, serve, type ServeOptions } from '@muster/rpc/server'
import { createMetrics, serveDiagnostics } from './diagnostics.ts'
import { watchReadiness } from './readiness.ts'

/** What a service's server needs besides what `serve` takes. */
export interface OpenServerOptions extends Omit<ServeOptions, 'metrics'> {
  currentRoles: CurrentRoles
  name: string
  diagnosticsAddress: string
  /** Proves that the service can do its work, or rejects; asked every few seconds. */
  check: () => Promise<unknown>
}

/**
 * Serves contracts as a service of the cluster: with the deep check behind health and /readyz, and with diagnostics.
 * Logs `service.ready` with both addresses. What it opens, it hands to `life`.
 */
export async function openServer(options: OpenServerOptions, life: Lifecycle): Promise<RpcServer> {
  const { name, diagnosticsAddress, check, log } = options
  const metrics = createMetrics(name)
  const server = life.own('server', await serve({ ...options, metrics }), (s) => s.close())
  life.own(
    'readiness',
    watchReadiness(check, (ready) => server.health.set(ready)),
    (stop) => stop(),
  )
  const diagnostics = await serveDiagnostics(diagnosticsAddress, metrics, () => server.health.serving)
  life.own('diagnostics', diagnostics, (d) => d.close())
  log.info({ event: 'service.ready', address: server.address, diagnosticsAddress: diagnostics.address }, 'ready')
  return server
}
