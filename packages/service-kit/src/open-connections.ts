import { addressesVariable, type ServiceDescriptor, type ServingService } from '@muster/domain'
import { connect, type Connection } from '@muster/rpc'
import type { Lifecycle } from '@muster/runtime'
import type { ServiceIdentity } from './enrolment.ts'
import type { AnyServiceConfig } from './service-config.ts'

/** Connections by the service at their other end. */
export type Connections = Partial<Record<ServingService, Connection>>

/** Opens a connection to each service that this service calls. Calls that fail with UNAVAILABLE are retried. */
export function openConnections(
  { calls }: ServiceDescriptor,
  config: AnyServiceConfig,
  { tls, clusterName }: ServiceIdentity,
  life: Lifecycle,
): Connections {
  const connections: Connections = {}
  for (const service of calls) {
    const addresses = config[addressesVariable(service)]!
    connections[service] = life.own(
      `connection to ${service}`,
      connect({ addresses, service, identity: tls, clusterName, retryUnavailable: true }),
      (connection) => connection.close(),
    )
  }
  return connections
}
