import type { sendUnaryData } from '@grpc/grpc-js'
import { refusal } from '@muster/domain'
import type { Clock, Logger } from '@muster/runtime'
import { Histogram, type Registry } from 'prom-client'
import { Server } from '../grpc.ts'
import type { BoundService, Route } from '../route.ts'
import { Admission, type CurrentRoles, type OnRefused } from './admission.ts'
import type { Callers } from './callers.ts'
import { CallOpener, type MethodShape } from './calls/call-opener.ts'
import { CallRecorder } from './calls/call-recorder.ts'
import { recordEarlyStatus } from './calls/early-status.ts'
import { limitReceiving } from './calls/receive-limit.ts'
import { type ServedDuplex, serveDuplex } from './calls/serve-duplex.ts'
import { serveStream, type StreamCall } from './calls/serve-stream.ts'
import { serveUnary, type UnaryCall } from './calls/serve-unary.ts'
import type { ServedCall } from './calls/served-call.ts'
import { decodeSafely } from './calls/undecodable.ts'
import { handleUnknownMethods } from './calls/unknown-methods.ts'

/** How calls are admitted, recorded and answered. */
export interface ServingOptions {
  clusterName: string
  /** Converts errors of the service's stores to AppErrors; returns any other error unchanged. */
  mapError?: (error: unknown) => unknown
  /** Asked about every person who calls. Absent: the certificate alone decides. */
  currentRoles?: CurrentRoles
  onRefused?: OnRefused
  clock: Clock
  log: Logger
  metrics: Registry
}

/** Requests are small. The largest answer is a page of nodes; only its receiver limits it. */
const MAX_REQUEST_BYTES = 64 * 1024
/** A request may take this long to arrive. */
const RECEIVE_TIMEOUT_MS = 10_000

/** A grpc-js server that serves these services once it is bound to a port, who may call what, and the calls in progress. */
export function createServer(
  services: readonly BoundService[],
  options: ServingOptions,
): { server: Server; callers: Map<string, Callers>; live: ReadonlySet<ServedCall> } {
  const callers = new Map<string, Callers>()
  const admission = new Admission(options)
  const recorder = new CallRecorder({
    log: options.log,
    durations: durationHistogram(options.metrics),
    isServed: (path) => callers.has(path),
    mapError: options.mapError,
  })
  const calls = new CallOpener({ ...options, recorder })
  const server = new Server({
    interceptors: [recordEarlyStatus(calls), limitReceiving(RECEIVE_TIMEOUT_MS)],
    'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
    'grpc.max_metadata_size': 16 * 1024,
    'grpc.enable_channelz': 0,
    // Limits the streams of one connection; our clients need a handful.
    'grpc.max_concurrent_streams': 100,
    // In megabytes. Without it grpc-js removes Node's limit on the memory of one connection.
    'grpc-node.max_session_memory': 10,
    // Detects a vanished peer within 40 s.
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    // Connections are verified again, against the current roots, at least this often.
    'grpc.max_connection_age_ms': 60 * 60_000,
    'grpc.max_connection_age_grace_ms': 5_000,
  })
  for (const { definition, routes } of services) {
    const handlers = Object.entries(definition).map(([name, method]) => {
      const route = routes[name]
      if (route !== undefined) callers.set(method.path, route.callers)
      return [name, adapt(route, method, calls, admission)]
    })
    server.addService(decodeSafely(definition), Object.fromEntries(handlers))
  }
  handleUnknownMethods(server, (call, path) => {
    // The path is the caller's: a long one must not fill the log.
    const context = calls.open(call, { path: path.slice(0, 200), requestStream: true, responseStream: true })
    call.emit('error', context.end(refusal('METHOD_UNKNOWN', 'this server does not have the method')))
  })
  return { server, callers, live: calls.live }
}

/** A route as grpc-js wants it. */
function adapt(route: Route<unknown> | undefined, method: MethodShape, calls: CallOpener, admission: Admission) {
  if (method.requestStream) {
    return (call: ServedDuplex) => serveDuplex(call, calls.open(call, method), route, admission)
  }
  if (method.responseStream) {
    return (call: StreamCall) => serveStream(call, calls.open(call, method), route, admission)
  }
  return (call: UnaryCall, reply: sendUnaryData<unknown>) =>
    serveUnary(call, reply, calls.open(call, method), route, admission)
}

function durationHistogram(registry: Registry): Histogram<'method' | 'code'> {
  return new Histogram({
    name: 'muster_rpc_duration_seconds',
    help: 'Time to serve a call, by method and gRPC status',
    labelNames: ['method', 'code'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  })
}
