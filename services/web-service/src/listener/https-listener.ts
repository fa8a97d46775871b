import { createServer, type RequestListener, type Server } from 'node:http'
import { COST_MS, Gate, type GateOptions } from '@muster/rpc/server'
import { oneAtATime } from './one-at-a-time.ts'

/** How to listen. */
export interface ListenOptions extends Omit<GateOptions, 'onConnection' | 'protocol'> {
  /** HOST:PORT; port 0 takes a free one. */
  address: string
  /** How long answers may take to finish after close(). */
  drainTimeoutMs: number
}

/** An HTTPS listener behind a gate. */
export interface HttpsListener {
  /** HOST:PORT on which it listens. */
  address: string
  /** Charges the work of a request to the budget of its source, named by the peer's `address:port`. */
  charge(peer: string): void
  /** Charges bytes of an answer to the budget of its source. Ends nothing: a long answer must ask `pauseMs` in between. */
  chargeBytes(peer: string, bytes: number): void
  /** How long an answer to this peer must pause, in milliseconds, because its source is over its budget. */
  pauseMs(peer: string): number
  /** Accepts no more connections and lets answers finish. Safe to repeat. */
  close(): Promise<void>
}

/** Requests are small and come at once. Answers may be packages, so only silence ends them. */
const LIMITS = {
  maxHeaderSize: 8 * 1024,
  headersTimeout: 5_000,
  requestTimeout: 5_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
}
const MOST_REQUESTS_OF_A_CONNECTION = 100
const SILENCE_MS = 30_000
const MEBIBYTE = 1_024 * 1_024

/** An HTTP server with limits, which answers a connection's requests in turn and has no connections of its own: a listener gives it some. */
export function createHttpServer(handle: RequestListener): Server {
  const server = createServer(LIMITS, oneAtATime(handle))
  server.maxRequestsPerSocket = MOST_REQUESTS_OF_A_CONNECTION
  // Node answers what exceeds the limit by itself: nothing would charge for that.
  server.on('dropRequest', (_request, socket) => socket.destroy())
  server.setTimeout(SILENCE_MS)
  return server
}

/** Listens by TLS for an HTTP server, behind the gate that the gRPC services have. @throws Error when it cannot listen */
export async function listen(server: Server, options: ListenOptions): Promise<HttpsListener> {
  const { address, drainTimeoutMs } = options
  const onConnection: GateOptions['onConnection'] = (socket) => server.emit('connection', socket)
  const gate = new Gate({ ...options, protocol: 'http/1.1', onConnection })
  const bound = await gate.listen(address).catch(async (error: Error) => {
    await gate.close(0)
    throw new Error(`cannot listen on ${address}: ${error.message}`, { cause: error })
  })
  // The server starts to watch the time limits of its connections.
  server.emit('listening')
  const end = async () => {
    server.closeIdleConnections()
    await gate.close(drainTimeoutMs)
    server.close()
  }
  let closing: Promise<void> | undefined
  return {
    address: bound,
    charge: (peer) => gate.charge(peer, COST_MS.call),
    chargeBytes: (peer, bytes) => gate.budgetOf(peer)?.charge((bytes / MEBIBYTE) * COST_MS.sentMebibyte),
    pauseMs: (peer) => gate.budgetOf(peer)?.pauseMs ?? 0,
    close: () => (closing ??= end()),
  }
}
