import { isIP } from 'node:net'
import type { PeerCertificate } from 'node:tls'
import type { ServiceError } from '@grpc/grpc-js'
import { AppError, type ServiceName, splitAddress } from '@muster/domain'
import { assertRemoteCallAllowed } from '@muster/runtime'
import { RotatingChannelCredentials, ServerNotTrustedError } from '../tls/credentials.ts'
import { Client, Metadata, status } from '../grpc.ts'
import { readMember } from '../tls/peer.ts'
import { RenewingClient } from './renewing-client.ts'
import type { CallOptions, ClientOf, MethodDefinition, ServiceDefinition } from '../route.ts'
import { fromStatus } from '../status.ts'
import type { TlsIdentity } from '../tls/tls-identity.ts'

/** How to connect to a service. */
export interface ConnectOptions {
  /** HOST:PORT of each replica; calls go round them. */
  addresses: readonly string[]
  identity: TlsIdentity
  /** The service that must answer; its certificate's SPIFFE id is checked, not its host name. */
  service: ServiceName
  /** Left out by a newcomer, who knows the root but not yet the cluster's name. */
  clusterName?: string
  /** Calls that fail with UNAVAILABLE are tried again, three times in all. Only where every RPC used is safe to repeat. */
  retryUnavailable?: boolean
}

/**
 * A connection to a service: made when first used, remade when lost, until it is closed. When the identity is renewed,
 * calls and streams that are open end on the connection they have; new ones go over a new one.
 */
export interface Connection {
  /** The contract's unary RPCs as functions. Each rejects with an AppError. */
  client<D extends ServiceDefinition>(definition: D): ClientOf<D>
  /** A server stream, read at the reader's pace. Ends when the signal aborts; throws an AppError when it breaks. */
  serverStream<Q, S>(method: MethodDefinition<Q, S>, request: Q, signal: AbortSignal): AsyncIterable<S>
  /** Opens a bidirectional stream. */
  duplex<Q, S>(method: MethodDefinition<Q, S>, onMessage: (message: S) => void): DuplexCall<Q>
  close(): void
}

/** The caller's side of a bidirectional stream. */
export interface DuplexCall<Q> {
  send(message: Q): void
  /** Resolves when the server has ended the stream, rejects with an AppError when it breaks or is refused. */
  ended: Promise<void>
  /** Says that no more will come, and gives the server up to a second to end the stream. */
  end(): Promise<void>
  cancel(): void
}

const DEFAULT_TIMEOUT_MS = 10_000
/** Left to the caller for its own work after ours has timed out, so that the right service reports the delay. */
const HOP_MARGIN_MS = 20
/** Work that has less time than this left is not begun. */
const LEAST_USEFUL_MS = 100

/** The largest answer that is taken: a page of the roll is about 1 MiB. */
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

/** Connects lazily; nothing is sent before the server has proved who it is. */
export function connect(options: ConnectOptions): Connection {
  const credentials = new RotatingChannelCredentials(
    options.identity,
    options.service,
    checkServer(options.service, options.clusterName),
  )
  const target = targetOf(options.addresses)
  const clients = new RenewingClient(
    options.identity,
    () =>
      new Client(target, credentials, {
        'grpc.service_config': serviceConfig(options.retryUnavailable ?? false),
        'grpc.initial_reconnect_backoff_ms': 100,
        'grpc.max_reconnect_backoff_ms': 2_000,
        'grpc.max_receive_message_length': MAX_RESPONSE_BYTES,
        'grpc.keepalive_time_ms': 20_000,
        'grpc.keepalive_timeout_ms': 10_000,
        'grpc.enable_channelz': 0,
        'grpc.use_local_subchannel_pool': 1,
      }),
  )
  return {
    client(definition) {
      const methods = Object.entries(definition)
        .filter(([, method]) => !method.requestStream && !method.responseStream)
        .map(([name, method]) => [
          name,
          (request: unknown, call?: CallOptions) => unary(clients, credentials, method, request, call),
        ])
      return Object.fromEntries(methods)
    },
    serverStream: (method, request, signal) => serverStream(clients, credentials, method, request, signal),
    duplex: (method, onMessage) => duplex(clients, credentials, method, onMessage),
    close: () => clients.close(),
  }
}

function unary<Q, S>(
  clients: RenewingClient,
  credentials: RotatingChannelCredentials,
  method: MethodDefinition<Q, S>,
  request: Q,
  { parent, timeoutMs = DEFAULT_TIMEOUT_MS, signal = parent?.signal }: CallOptions = {},
): Promise<S> {
  return new Promise((resolve, reject) => {
    assertRemoteCallAllowed(method.path)
    const now = Date.now()
    const deadline = Math.min(now + timeoutMs, (parent?.deadlineMs ?? Number.POSITIVE_INFINITY) - HOP_MARGIN_MS)
    if (deadline - now < Math.min(LEAST_USEFUL_MS, timeoutMs)) {
      reject(new AppError('deadlineExceeded', 'too little time is left; try again'))
      return
    }
    const metadata = new Metadata()
    if (parent !== undefined) metadata.set('muster-request-id', parent.requestId)
    const { client, release } = clients.lease()
    const call = client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      metadata,
      { deadline },
      (error: ServiceError | null, response?: S) => {
        signal?.removeEventListener('abort', cancel)
        release()
        if (error === null) resolve(response!)
        else reject(explain(error, credentials))
      },
    )
    const cancel = () => call.cancel()
    if (signal?.aborted) cancel()
    else signal?.addEventListener('abort', cancel, { once: true })
  })
}

async function* serverStream<Q, S>(
  clients: RenewingClient,
  credentials: RotatingChannelCredentials,
  method: MethodDefinition<Q, S>,
  request: Q,
  signal: AbortSignal,
): AsyncGenerator<S> {
  const { client, release } = clients.lease()
  const call = client.makeServerStreamRequest(method.path, method.requestSerialize, method.responseDeserialize, request)
  const cancel = () => call.cancel()
  signal.addEventListener('abort', cancel, { once: true })
  try {
    yield* call as AsyncIterable<S>
  } catch (error) {
    if (!signal.aborted) throw explain(error as ServiceError, credentials)
  } finally {
    signal.removeEventListener('abort', cancel)
    call.cancel()
    release()
  }
}

function duplex<Q, S>(
  clients: RenewingClient,
  credentials: RotatingChannelCredentials,
  method: MethodDefinition<Q, S>,
  onMessage: (message: S) => void,
): DuplexCall<Q> {
  const { client, release } = clients.lease()
  const call = client.makeBidiStreamRequest(method.path, method.requestSerialize, method.responseDeserialize)
  call.on('data', onMessage)
  const ended = new Promise<void>((resolve, reject) => {
    call.on('error', (error: ServiceError) => reject(explain(error, credentials)))
    call.on('end', resolve)
  })
  ended.then(release, release)
  return {
    send: (message) => void call.write(message),
    ended,
    async end() {
      call.end()
      const timer = setTimeout(() => call.cancel(), 1_000)
      await ended.catch(() => {})
      clearTimeout(timer)
    },
    cancel: () => call.cancel(),
  }
}

// How grpc-js begins what it says of a connection that failed here; a server's own answer never reads so.
const LOCAL_FAILURE =
  /^(?:round_robin: |pick_first: )*(?:No connection established|Connection dropped|read E|write E|Name resolution failed)/

/**
 * What a failed call means. A server that could not be trusted looks like one that could not be reached; this tells them
 * apart. Addresses and socket errors are in the cause: a service that passes the error on must not tell strangers where
 * its own dependencies live.
 */
function explain(error: ServiceError, credentials: RotatingChannelCredentials): AppError {
  const failure = credentials.trustFailure
  if (error.code !== status.UNAVAILABLE) return fromStatus(error)
  if (failure !== undefined) return new AppError('unavailable', failure.message, { cause: failure })
  if (!LOCAL_FAILURE.test(error.details)) return fromStatus(error)
  const detail = error.details
    .replace(/^(?:round_robin: |pick_first: |No connection established\. Last error: |Error: )+/, '')
    .replace(/\.?\s*(?:Resolution note:.*)?$/s, '')
  return new AppError('unavailable', `${credentials.service} cannot be reached; try again`, {
    cause: new Error(detail),
  })
}

/** True if a call failed because the server's certificate was not one to trust. Never true of what a server answered. */
export function isTrustFailure(error: unknown): boolean {
  return error instanceof AppError && error.cause instanceof ServerNotTrustedError
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

/** The check of a server certificate that TLS has already verified against the host roots. */
function checkServer(service: ServiceName, clusterName: string | undefined) {
  return (certificate: PeerCertificate): Error | undefined => {
    const member = readMember(certificate.raw, clusterName)
    if (member?.kind === 'service' && member.name === service) return undefined
    const found = member?.spiffeId ?? 'no identity of this cluster'
    return new ServerNotTrustedError(`the server is not ${service}: its certificate says ${found}`)
  }
}
