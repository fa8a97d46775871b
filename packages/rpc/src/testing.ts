import { systemClock } from '@muster/runtime'
import { createLogger } from '@muster/runtime/service'
import { Registry } from 'prom-client'
import { serve, type RpcServer, type ServeOptions } from './serve.ts'
import { TlsIdentity, type TlsMaterial } from './tls-identity.ts'

export interface ServeForTestOptions extends Partial<Omit<ServeOptions, 'identity'>> {
  clusterName: string
  services: ServeOptions['services']
  /** Of the service that is served. */
  identity: TlsMaterial | TlsIdentity
}

/** Serves contracts on a free port of loopback as a service would, and says nothing unless it is given a log. */
export function serveForTest({ identity, ...options }: ServeForTestOptions): Promise<RpcServer> {
  return serve({
    listenAddress: '127.0.0.1:0',
    clock: systemClock,
    log: createLogger('test', 'silent'),
    metrics: new Registry(),
    drainTimeoutMs: 2_000,
    ...options,
    identity: identity instanceof TlsIdentity ? identity : new TlsIdentity(identity),
  })
}
