import type { sendUnaryData } from '@grpc/grpc-js'
import type { Clock, Logger } from '@muster/runtime'
import { Histogram, type Registry } from 'prom-client'
import { AppError, parseServerAddress } from '@muster/domain'
import { Admission, type CurrentRoles, type OnRefused } from './admission.ts'
import type { Callers } from './callers.ts'
import { RotatingServerCredentials } from '../tls/server-credentials.ts'
import { CallRecorder } from './call-recorder.ts'
import { Server as GrpcServer } from '../grpc.ts'
import { createHealth, type Health } from './health.ts'
import { PeerReader } from '../tls/peer.ts'
import { limitReceiving } from './receive-limit.ts'
import { createReflection } from './reflection.ts'
import type { BoundService, Route } from '../route.ts'
import { serveDuplex, type DuplexCall } from './serve-duplex.ts'
import { serveStream, type StreamCall } from './serve-stream.ts'
import { serveUnary, type UnaryCall } from './serve-unary.ts'
import { ServedCall, type AnyCall } from './served-call.ts'
import type { TlsIdentity } from '../tls/tls-identity.ts'

/** What to serve, to whom, and how to end. */
export interface ServeOptions {
  listenAddress: string
  identity: TlsIdentity
  clusterName: string
  services: readonly BoundService[]
  /** Gives errors of the service's stores a kind; what it does not know it returns as it is. */
  mapError?: (error: unknown) => unknown
  /** Asked about every person who calls. Absent: what their certificate says is all. */
  currentRoles?: CurrentRoles
  onRefused?: OnRefused
  clock: Clock
  log: Logger
  metrics: Registry
  /** How long calls may take to end by themselves once close() has been called. */
  drainTimeoutMs: number
}

/** A server that takes calls. */
export interface RpcServer {
  /** HOST:PORT that is listened on. */
  address: string
  health: Health
  /** Every RPC that is served, by full path, and who may call it. */
  callers: ReadonlyMap<string, Callers>
  /** Stops taking calls, ends streams, waits for the rest up to the drain timeout, then cuts. Safe to call again. */
  close(): Promise<void>
}

/** Requests are small; the largest answer is a page of the roll, which only the receiving side caps. */
const MAX_REQUEST_BYTES = 64 * 1024
/** A request may take this long to arrive. */
const RECEIVE_TIMEOUT_MS = 10_000
/** How long connections that were cut may take to be gone. */
const CUT_MS = 200

/**
 * Serves contracts over mTLS, with health and reflection beside them. Each call is checked against its route's callers,
 * logged once, measured, and answered with the status of what its handler throws.
 */
export async function serve(options: ServeOptions): Promise<RpcServer> {
  const { identity, clock, log, metrics, clusterName } = options
  const names = options.services.map(serviceName)
  const health = createHealth(names)
  const bound = [...options.services, health.service, ...createReflection(names)]
  const live = new Set<ServedCall>()
  const peers = new PeerReader(clusterName)
  const admission = new Admission(options)
  const recorder = new CallRecorder(log, durationHistogram(metrics), options.mapError)
  const server = new GrpcServer({
    interceptors: [limitReceiving(RECEIVE_TIMEOUT_MS)],
    'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
    'grpc.max_metadata_size': 16 * 1024,
    'grpc.enable_channelz': 0,
    // One connection may not open streams without end; clients of ours need a handful.
    'grpc.max_concurrent_streams': 100,
    // grpc-js otherwise lifts Node's own bound on what one connection may make the server hold, in megabytes.
    'grpc-node.max_session_memory': 10,
    // A peer that vanished without a word is noticed within 40 s.
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    // A connection is checked anew against today's roots at least this often.
    'grpc.max_connection_age_ms': 60 * 60_000,
    'grpc.max_connection_age_grace_ms': 5_000,
  })
  const callers = new Map<string, Callers>()

  const open: OpenCall = (call, { path, requestStream, responseStream }) => {
    const peer = peers.read(call.getAuthContext().sslPeerCertificate, clock.now())
    const isStream = requestStream || responseStream
    return new ServedCall({ call, path, isStream, peer, live, log, clock, recorder })
  }

  for (const { definition, routes } of bound) {
    const handlers = Object.entries(definition).map(([name, method]) => {
      const route = routes[name]
      if (route !== undefined) callers.set(method.path, route.callers)
      return [name, adapt(route, method, open, admission)]
    })
    server.addService(definition, Object.fromEntries(handlers))
  }

  const credentials = new RotatingServerCredentials(identity)
  const address = parseServerAddress(options.listenAddress, 'listen address')
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, credentials, (error, boundPort) => (error === null ? resolve(boundPort) : reject(error)))
  }).catch((error: Error) => {
    credentials.close()
    throw new Error(`cannot listen on ${address}: ${error.message}`, { cause: error })
  })

  const boundAddress = address.replace(/:\d+$/, `:${port}`)
  /** tryShutdown waits for ever on an open stream, so streams are told to end, and a timer ends the wait. */
  const drain = async () => {
    health.set(false)
    for (const call of live)
      if (call.isStream) call.abort(new AppError('unavailable', 'the server is shutting down; try again'))
    // grpc-js's forceShutdown knows no connection while channelz is off; its drain does, and cuts each when time is up.
    server.drain(boundAddress, options.drainTimeoutMs)
    let timer: NodeJS.Timeout | undefined
    const drained = new Promise<void>((resolve) => server.tryShutdown(() => resolve()))
    const timedOut = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, options.drainTimeoutMs + CUT_MS)
    })
    await Promise.race([drained, timedOut])
    clearTimeout(timer)
    server.forceShutdown()
  }
  let closing: Promise<void> | undefined
  return {
    address: boundAddress,
    health,
    callers,
    close() {
      closing ??= drain().finally(() => credentials.close())
      return closing
    },
  }
}

/** A route as grpc-js wants it. */
function adapt(route: Route<unknown> | undefined, method: MethodShape, open: OpenCall, door: Admission) {
  if (method.requestStream) return (call: DuplexCall) => serveDuplex(call, open(call, method), route, door)
  if (method.responseStream) return (call: StreamCall) => serveStream(call, open(call, method), route, door)
  return (call: UnaryCall, reply: sendUnaryData<unknown>) => serveUnary(call, reply, open(call, method), route, door)
}

/** The full name of a contract's service, as in `muster.token.v1.TokenService`. */
function serviceName({ definition }: BoundService): string {
  return Object.values(definition)[0]!.path.split('/')[1]!
}

type MethodShape = { path: string; requestStream: boolean; responseStream: boolean }
type OpenCall = (call: AnyCall, method: MethodShape) => ServedCall

function durationHistogram(registry: Registry): Histogram<'method' | 'code'> {
  return new Histogram({
    name: 'muster_rpc_duration_seconds',
    help: 'Time to serve a call, by method and gRPC status',
    labelNames: ['method', 'code'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  })
}
