import type { Audit } from '@muster/audit'
import { users } from '@muster/contracts'
import type { ServiceDescriptor } from '@muster/domain'
import { asAppError } from '@muster/postgres'
import type { BoundService, Connection, CurrentRoles } from '@muster/rpc'
import type { Background, Clock, Lifecycle, Logger } from '@muster/runtime'
import type { Registry } from 'prom-client'
import { askRegister } from './ask-register.ts'
import { showCertificate } from './certificate-metric.ts'
import { countBackgroundFailures, createMetrics } from './diagnostics.ts'
import { enrollService, type ServiceIdentity } from './enrolment.ts'
import { gateLimits } from './gate-config.ts'
import { type Connections, openConnections } from './open-connections.ts'
import { openStores, type Pool } from './open-stores.ts'
import { type ServedService, serveService } from './serve-service.ts'
import type { AnyServiceConfig, ServiceConfig } from './service-config.ts'

/** What a service needs to start. */
export interface ServiceStart<Config> {
  config: Config
  log: Logger
  /** Closes what the service opens, in reverse order. */
  life: Lifecycle
  clock: Clock
}

/** A value that a service has only if it owns a schema. */
type IfStored<D extends ServiceDescriptor, Value> = D['schema'] extends string ? Value : undefined

/** A service whose stores are open and that has no identity yet. */
export interface OpenedService<D extends ServiceDescriptor> {
  pool: IfStored<D, Pool>
  audit: IfStored<D, Audit>
  /** For the service's background tasks. */
  background: Background
  /** The registry behind /metrics. */
  metrics: Registry
  /**
   * Gives the service its identity and its connections. A service that enrols waits for ca-service for as long as it
   * takes; any other passes an identity.
   * @throws AppError if ca-service refuses, or if no pin matches its root
   */
  join(...own: D['enrols'] extends true ? [] : [ServiceIdentity]): Promise<JoinedService<D>>
}

/** A service with an identity, which can call other services and be called. */
export interface JoinedService<D extends ServiceDescriptor> {
  identity: ServiceIdentity
  /** Connections to the services that the descriptor says it calls. */
  connections: Record<D['calls'][number], Connection>
  /** Starts to take calls, if the service serves gRPC, and shows on its diagnostics address that it is ready. */
  serve(parts?: ServedParts): Promise<ServedService>
}

/** What a service serves. */
export interface ServedParts {
  /** Contracts with their tables of callers; the audit is served beside them. */
  services?: readonly BoundService[]
  /** Says which roles a person has now; default: registration-service is asked. */
  currentRoles?: CurrentRoles
  /** HOST:PORT of a listener that the service has opened itself. */
  address?: string
  /** Proves that the service can do its work, or rejects; default: the database answers. */
  check?: () => Promise<unknown>
}

/**
 * Opens what follows from a service's descriptor: first metrics, schema, pool and audit, then in `join` the identity and
 * the connections, then in `serve` the server, diagnostics and readiness. Between these steps the service opens its own
 * parts.
 * @param migrations the folder of the service's migrations
 */
export async function openService<const D extends ServiceDescriptor>(
  descriptor: D,
  { config, log, life, clock }: ServiceStart<ServiceConfig<D>>,
  migrations?: URL,
): Promise<OpenedService<D>> {
  const settings = config as AnyServiceConfig
  const metrics = createMetrics(descriptor.name)
  const background: Background = { clock, log, life, failures: countBackgroundFailures(metrics) }
  const stores = await openStores(descriptor, settings, background, migrations)
  const databaseAnswers = async () => stores?.pool.query('select 1')

  const join = async (own?: ServiceIdentity) => {
    const identity = own ?? (await enrollService(enrolment(descriptor, settings, background)))
    showCertificate(metrics, identity.tls)
    const connections = openConnections(descriptor, settings, identity, life)
    const serve = (parts: ServedParts = {}) => {
      const rpc = rpcOptions(descriptor, settings, { identity, connections, audit: stores?.audit, parts })
      const { address, check = databaseAnswers } = parts
      const diagnosticsAddress = settings.MUSTER_DIAGNOSTICS_ADDR
      return serveService({ rpc, address, metrics, diagnosticsAddress, check, clock, log }, life)
    }
    return { identity, connections, serve }
  }
  // The compiler cannot see that a descriptor with a schema has stores.
  return { pool: stores?.pool, audit: stores?.audit, background, metrics, join } as unknown as OpenedService<D>
}

function enrolment({ name }: ServiceDescriptor, config: AnyServiceConfig, { clock, log, life }: Background) {
  return {
    name,
    caAddresses: config.MUSTER_CA_ADDRS!,
    caPins: config.MUSTER_CA_PINS!,
    enrollToken: config.MUSTER_ENROLL_TOKEN_FILE!,
    dnsNames: config.MUSTER_TLS_DNS_NAMES ?? [],
    clock,
    log,
    signal: life.signal,
  }
}

interface RpcParts {
  identity: ServiceIdentity
  connections: Connections
  audit: Audit | undefined
  parts: ServedParts
}

/**
 * What the server of a service serves; undefined for a service without a port.
 * @throws Error if nothing says which roles a person has: a person who was removed would still get in
 */
function rpcOptions({ name, listenPort }: ServiceDescriptor, config: AnyServiceConfig, opened: RpcParts) {
  if (listenPort === undefined) return undefined
  const { identity, connections, audit, parts } = opened
  const register = connections['registration-service']?.client(users.UserServiceService)
  const currentRoles = parts.currentRoles ?? (register && askRegister(register))
  if (currentRoles === undefined) {
    throw new Error(`${name} must call registration-service, or say itself which roles a person has`)
  }
  return {
    listenAddress: config.MUSTER_LISTEN_ADDR!,
    drainTimeoutMs: config.MUSTER_DRAIN_TIMEOUT_MS!,
    // A service with a port has all of them.
    gate: gateLimits(config as Parameters<typeof gateLimits>[0]),
    identity: identity.tls,
    clusterName: identity.clusterName,
    services: [...(parts.services ?? []), ...(audit === undefined ? [] : [audit.service])],
    ...(audit !== undefined && { onRefused: audit.onRefused }),
    currentRoles,
    mapError: asAppError,
  }
}
