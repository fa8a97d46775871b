import { isIP } from 'node:net'
import { type ServiceName, splitAddress } from '@muster/domain'
import { Client } from '../grpc.ts'
import type { CallOptions, ClientOf, MethodDefinition, ServiceDefinition } from '../route.ts'
import { RotatingChannelCredentials } from './channel-credentials.ts'
import { expectService } from '../tls/server-trust.ts'
import type { TlsIdentity } from '../tls/tls-identity.ts'
import { ATTEMPT_LIMIT_MS } from './dial/attempt.ts'
import type { ProxyFor } from './dial/proxies.ts'
import { duplex, type DuplexStream, serverStream, unary } from './calls.ts'
import { RenewingClient } from './renewing-client.ts'

/** How to connect to a service. */
export interface ConnectOptions {
  /** HOST:PORT of each replica; calls are spread over them. */
  addresses: readonly string[]
  identity: TlsIdentity
  /** The service that must answer. The client checks the SPIFFE id of its certificate, not its host name. */
  service: ServiceName
  /** Undefined before the first grant: a new member knows the root and not yet the cluster's name. */
  clusterName?: string
  /** Retry calls that fail with UNAVAILABLE, three attempts in all. Only if every RPC used is safe to repeat. */
  retryUnavailable?: boolean
  /** The proxy for the address. Without it, and for several addresses, connections are direct. */
  proxyFor?: ProxyFor | undefined
  /** The longest time for one attempt to connect, in milliseconds; then another address or a new attempt follows. */
  attemptLimitMs?: number
  /** How long a stream may take to its first message, in milliseconds. */
  firstAnswerMs?: number
}

/**
 * A connection to a service. It opens at the first call, and again after a loss, until `close`. After a renewal of the
 * identity, open calls and streams stay on their connection; new ones use a new connection.
 */
export interface Connection {
  /** The contract's unary RPCs as functions. Each rejects with an AppError. */
  client<D extends ServiceDefinition>(definition: D): ClientOf<D>
  /** A server stream with flow control. It ends when the signal aborts, and throws an AppError when it breaks. */
  serverStream<Q, S>(method: MethodDefinition<Q, S>, request: Q, signal: AbortSignal): AsyncIterable<S>
  /** Opens a bidirectional stream. */
  duplex<Q, S>(method: MethodDefinition<Q, S>, onMessage: (message: S) => void): DuplexStream<Q>
  close(): void
}

/** The largest answer accepted. A page of the roll is about 1 MiB. */
const MAX_RESPONSE_BYTES = 8 * 1024 * 1024

function serviceConfig(retryUnavailable: boolean): string {
  const retryPolicy = {
    maxAttempts: 3,
    initialBackoff: '0.1s',
    maxBackoff: '1s',
    backoffMultiplier: 2,
    retryableStatusCodes: ['UNAVAILABLE'],
  }
  return JSON.stringify({
    loadBalancingConfig: [{ round_robin: {} }],
    methodConfig: retryUnavailable ? [{ name: [{}], retryPolicy }] : [],
  })
}

/** Opens a connection lazily. Nothing is sent before the server has proved its identity. */
export function connect(options: ConnectOptions): Connection {
  const { identity, service, clusterName, attemptLimitMs = ATTEMPT_LIMIT_MS } = options
  const check = expectService(service, clusterName)
  const [address = ''] = options.addresses
  const proxy = options.addresses.length === 1 ? options.proxyFor?.(address) : undefined
  const tunnel = proxy && { proxy, address }
  const credentials = new RotatingChannelCredentials({ identity, service, check, attemptLimitMs, tunnel })
  // Through a proxy the name of the server is the proxy's to look up: this machine may not be able to.
  const target = targetOf(proxy === undefined ? options.addresses : [proxy.name])
  const clients = new RenewingClient(
    identity,
    () =>
      new Client(target, credentials, {
        'grpc.service_config': serviceConfig(options.retryUnavailable ?? false),
        'grpc.initial_reconnect_backoff_ms': 100,
        'grpc.max_reconnect_backoff_ms': 2_000,
        'grpc.max_receive_message_length': MAX_RESPONSE_BYTES,
        'grpc.keepalive_time_ms': 20_000,
        'grpc.keepalive_timeout_ms': 10_000,
        'grpc.enable_channelz': 0,
        // grpc-js would read the proxy from the environment, and send even loopback through it.
        'grpc.enable_http_proxy': 0,
        ...(tunnel && { 'grpc.default_authority': address }),
        'grpc.use_local_subchannel_pool': 1,
      }),
  )
  const channel = { clients, credentials }
  return {
    client(definition) {
      const methods = Object.entries(definition)
        .filter(([, method]) => !method.requestStream && !method.responseStream)
        .map(([name, method]) => [
          name,
          (request: unknown, call?: CallOptions) => unary(channel, method, request, call),
        ])
      return Object.fromEntries(methods)
    },
    serverStream: (method, request, signal) => serverStream(channel, method, request, signal, options.firstAnswerMs),
    duplex: (method, onMessage) => duplex(channel, method, onMessage, options.firstAnswerMs),
    close: () => clients.close(),
  }
}

function targetOf(addresses: readonly string[]): string {
  const hosts = addresses.map((address) => splitAddress(address).host)
  if (addresses.length === 1 && isIP(hosts[0]!) === 0) return `dns:///${addresses[0]}`
  if (hosts.every((host) => isIP(host) === 4)) return `ipv4:${addresses.join(',')}`
  if (hosts.every((host) => isIP(host) === 6)) return `ipv6:${addresses.join(',')}`
  throw new Error(
    'several addresses of one service must all be IP addresses; give one DNS name with several records instead',
  )
}
