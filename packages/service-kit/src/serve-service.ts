import type { Lifecycle } from '@muster/runtime'
import { type RpcServer, serve, type ServeOptions } from '@muster/rpc/server'
import type { Registry } from 'prom-client'
import { serveDiagnostics } from './diagnostics.ts'
import { watchReadiness } from './readiness.ts'

/** What a service serves, and how it shows that it is ready. */
export interface ServeServiceOptions extends Pick<ServeOptions, 'clock' | 'log'> {
  metrics: Registry
  diagnosticsAddress: string
  /** Absent for a service that serves no gRPC. */
  rpc: Omit<ServeOptions, 'clock' | 'log' | 'metrics'> | undefined
  /** HOST:PORT of the service's own listener, if it serves no gRPC and has one. */
  address: string | undefined
  /** Proves that the service can do its work, or rejects; asked every few seconds. */
  check: () => Promise<unknown>
}

/** Where a service that has started is reached. */
export interface ServedService {
  /** HOST:PORT of gRPC, or else of the service's own listener; undefined if it has neither. */
  address: string | undefined
  /** HOST:PORT of /metrics, /healthz and /readyz. */
  diagnosticsAddress: string
}

/**
 * Serves the contracts of a service, if it has any, and its diagnostics. The check decides what health and /readyz say.
 * Logs `service.ready` with the addresses. `life` closes what was opened.
 */
export async function serveService(options: ServeServiceOptions, life: Lifecycle): Promise<ServedService> {
  const { rpc, diagnosticsAddress, check, clock, log, metrics } = options
  let server: RpcServer | undefined
  if (rpc !== undefined) {
    server = life.own('server', await serve({ ...rpc, clock, log, metrics }), (s) => s.close())
  }
  let isReady = false
  const report = (ready: boolean) => {
    isReady = ready
    server?.health.set(ready)
  }
  watchReadiness({ check, report, clock, life })
  const diagnostics = life.own(
    'diagnostics',
    await serveDiagnostics(diagnosticsAddress, metrics, () => server?.health.serving ?? isReady),
    (d) => d.close(),
  )
  const served = { address: server?.address ?? options.address, diagnosticsAddress: diagnostics.address }
  log.info({ event: 'service.ready', ...served }, 'ready')
  return served
}
