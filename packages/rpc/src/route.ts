import type { Logger } from '@muster/runtime'
import type { Callers } from './server/callers.ts'
import type { Peer } from './tls/peer.ts'

/** What a handler knows about its call. */
export interface CallContext {
  readonly peer: Peer
  /** The caller's IP address. */
  readonly remoteAddress: string
  /** Tells the caller's connection from others: its address and port. */
  readonly connection: string
  readonly requestId: string
  /** When the caller stops waiting, in milliseconds since the epoch. Calls on its behalf end 20 ms earlier. */
  readonly deadlineMs: number
  /** Aborts when the caller has gone or the server shuts down. */
  readonly signal: AbortSignal
  readonly log: Logger
}

/** Both directions of a bidirectional stream. */
export interface Duplex<Request, Response> {
  /** Call it before the handler first waits; earlier messages are kept. */
  onMessage(listener: (message: Request) => void): void
  /**
   * Called once when the caller has half-closed: it sends no more messages, and still reads. The handler then finishes what
   * was asked, and settles. Without a listener the stream ends then. Call it before the handler first waits.
   */
  onEnd(listener: () => void): void
  send(message: Response): void
}

/** Serves a unary RPC. */
export type UnaryHandler<Request, Response> = (request: Request, context: CallContext) => Promise<Response>
/** Serves a server stream: what it yields is sent. */
export type ServerStreamHandler<Request, Response> = (request: Request, context: CallContext) => AsyncIterable<Response>
/** Serves until its promise settles, which ends the stream. The signal aborts when the stream has ended or the caller has gone. */
export type DuplexHandler<Request, Response> = (
  stream: Duplex<Request, Response>,
  context: CallContext,
) => Promise<void>

/** One method as ts-proto writes it. */
export interface MethodDefinition<Request, Response> {
  path: string
  requestStream: boolean
  responseStream: boolean
  requestSerialize: (value: Request) => Buffer
  requestDeserialize: (bytes: Buffer) => Request
  responseSerialize: (value: Response) => Buffer
  responseDeserialize: (bytes: Buffer) => Response
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- any method, whatever its messages
/** The generated definition of a gRPC service. */
export type ServiceDefinition = Record<string, MethodDefinition<any, any>>

type RequestOf<M> = M extends { requestDeserialize: (bytes: Buffer) => infer Request } ? Request : never
type ResponseOf<M> = M extends { responseDeserialize: (bytes: Buffer) => infer Response } ? Response : never

type HandlerOf<M> = M extends { requestStream: true }
  ? DuplexHandler<RequestOf<M>, ResponseOf<M>>
  : M extends { responseStream: true }
    ? ServerStreamHandler<RequestOf<M>, ResponseOf<M>>
    : UnaryHandler<RequestOf<M>, ResponseOf<M>>

/** One row of a service's table: who may call, and what serves it. */
export interface Route<Handler> {
  callers: Callers
  handle: Handler
}

/** A service's table: a row for every RPC of its contract, or it does not compile. */
export type Routes<D extends ServiceDefinition> = { [M in keyof D]: Route<HandlerOf<D[M]>> }

/** A contract and its table. */
export interface BoundService {
  definition: ServiceDefinition
  routes: Record<string, Route<unknown>>
}

/** The full name of a contract's service, as in `muster.token.v1.TokenService`. */
export function serviceName({ definition }: BoundService): string {
  return Object.values(definition)[0]!.path.split('/')[1]!
}

/** Binds each RPC of a contract to who may call it and what serves it. */
export function bindService<D extends ServiceDefinition>(definition: D, routes: Routes<D>): BoundService {
  return { definition, routes }
}

/** A client of a contract: each unary RPC as a function that returns a promise. */
export type ClientOf<D extends ServiceDefinition> = {
  [M in keyof D as D[M] extends { requestStream: false; responseStream: false } ? M : never]: (
    request: RequestOf<D[M]>,
    options?: CallOptions,
  ) => Promise<ResponseOf<D[M]>>
}

/** How to make a call. */
export interface CallOptions {
  /**
   * The call being served, whose request id this call carries. This call goes on when that one is cancelled or out of time:
   * what it changes would happen all the same, and a caller who leaves early must not keep it from being counted and recorded.
   */
  parent?: CallContext
  /** For a call that changes nothing: it ends with the call being served. */
  endsWithParent?: boolean
  timeoutMs?: number
  signal?: AbortSignal
}
