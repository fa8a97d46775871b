import type { sendUnaryData, ServerOptions } from '@grpc/grpc-js'
import { refusal } from '@muster/domain'
import type { Clock, Logger } from '@muster/runtime'
import { Histogram, type Registry } from 'prom-client'
import { Server } from '../grpc.ts'
import type { BoundService, Route } from '../route.ts'
import { Admission, type CurrentRoles, type OnRefused } from './admission.ts'
import type { Callers } from './callers.ts'
import { CallOpener, type MethodShape } from './calls/call-opener.ts'
import { CallRecorder } from './calls/call-recorder.ts'
import { chargeCalls, type Charges } from './calls/charge-calls.ts'
import { recordEarlyStatus } from './calls/early-status.ts'
import { limitReceiving, type ReceiveLimits } from './calls/receive-limit.ts'
import { refuseCompression } from './calls/refuse-compression.ts'
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
  /** Returns the roles of every person who calls. Absent: the certificate alone decides. */
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

const FOR_ALL: ServerOptions = {
  'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
  'grpc.enable_channelz': 0,
  // Detects a vanished peer within 40 s.
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.max_connection_age_grace_ms': 5_000,
}

const FOR_MEMBERS: ServerOptions = {
  // Limits the streams of one connection; our clients need a handful.
  'grpc.max_concurrent_streams': 100,
  // In megabytes. Without it grpc-js removes Node's limit on the memory of one connection.
  'grpc-node.max_session_memory': 10,
  // Connections are verified again, against the current roots, at least this often.
  'grpc.max_connection_age_ms': 60 * 60_000,
}

const FOR_STRANGERS: ServerOptions = {
  'grpc.max_concurrent_streams': 8,
  'grpc-node.max_session_memory': 1,
  'grpc.max_connection_age_ms': 10 * 60_000,
}

/** The two grpc-js servers behind one gate, which serve the same services and differ in what a connection may hold. */
export interface Servers {
  /** For connections whose peer has a certificate that verifies. */
  members: Server
  /** For all others: newcomers, who make one call, load balancers, who ask for health, and strangers. */
  strangers: Server
  /** Who may call which RPC, by full path. */
  callers: ReadonlyMap<string, Callers>
  /** The calls in progress whose handlers listen to their signal. */
  live: ReadonlySet<ServedCall>
}

/** Creates the servers for these services. They take connections once they are given some. */
export function createServers(
  services: readonly BoundService[],
  options: ServingOptions & { strangerIdleMs: number; charges: Charges },
): Servers {
  const callers = new Map<string, Callers>()
  const admission = new Admission({
    ...options,
    onUnknownPerson: (connection) => options.charges.disown(connection),
  })
  const recorder = new CallRecorder({
    log: options.log,
    clock: options.clock,
    durations: durationHistogram(options.metrics),
    streams: streamHistogram(options.metrics),
    isServed: (path) => callers.has(path),
    mapError: options.mapError,
  })
  const calls = new CallOpener({ ...options, recorder })
  const admits = (path: string) => {
    const may = callers.get(path)
    return may?.who === 'anyone' && may.admits === true
  }
  const charge = chargeCalls(options.charges, admits)
  const early = recordEarlyStatus(calls)
  const open = (limits: ServerOptions, receiving: ReceiveLimits) =>
    new Server({ interceptors: [charge, early, refuseCompression, limitReceiving(receiving)], ...FOR_ALL, ...limits })
  const members = open(FOR_MEMBERS, { timeoutMs: RECEIVE_TIMEOUT_MS })
  const strangers = open(
    { ...FOR_STRANGERS, 'grpc.max_connection_idle_ms': options.strangerIdleMs },
    { timeoutMs: RECEIVE_TIMEOUT_MS, pending: 256, pendingPerSource: 64 },
  )
  for (const { definition, routes } of services) {
    const handlers = Object.entries(definition).map(([name, method]) => {
      const route = routes[name]
      if (route !== undefined) callers.set(method.path, route.callers)
      return [name, adapt(route, method, calls, admission)]
    })
    for (const server of [members, strangers]) server.addService(decodeSafely(definition), Object.fromEntries(handlers))
  }
  const refuseUnknown = (call: ServedDuplex, path: string) => {
    // The path is the caller's: a long one must not fill the log.
    const context = calls.open(call, { path: path.slice(0, 200), requestStream: true, responseStream: true })
    call.emit('error', context.end(refusal('METHOD_UNKNOWN', 'this server does not have the method')))
  }
  for (const server of [members, strangers]) handleUnknownMethods(server, refuseUnknown)
  return { members, strangers, callers, live: calls.live }
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

/** Streams last from seconds to days, which the buckets of calls do not tell apart. */
function streamHistogram(registry: Registry): Histogram<'method' | 'code'> {
  return new Histogram({
    name: 'muster_rpc_stream_duration_seconds',
    help: 'How long a stream lasted, by method and gRPC status',
    labelNames: ['method', 'code'],
    buckets: [1, 10, 60, 600, 3_600, 6 * 3_600, 86_400, 7 * 86_400],
    registers: [registry],
  })
}
