import { AppError, parseServerAddress } from '@muster/domain'
import { type BoundService, serviceName } from '../route.ts'
import { RotatingServerCredentials } from '../tls/server-credentials.ts'
import type { TlsIdentity } from '../tls/tls-identity.ts'
import type { Callers } from './callers.ts'
import { type ServingOptions, createServer } from './create-server.ts'
import { createHealth, type Health } from './health.ts'
import { createReflection } from './reflection.ts'

/** What to serve, to whom, and how to end. */
export interface ServeOptions extends ServingOptions {
  listenAddress: string
  identity: TlsIdentity
  services: readonly BoundService[]
  /** How long calls may take to finish after close(). */
  drainTimeoutMs: number
}

/** A running server. */
export interface RpcServer {
  /** HOST:PORT that is listened on. */
  address: string
  health: Health
  /** Every RPC that is served, by full path, and who may call it. */
  callers: ReadonlyMap<string, Callers>
  /** Accepts no more calls, ends streams, waits for other calls up to the drain timeout, then cuts them. Safe to repeat. */
  close(): Promise<void>
}

/** The longest time until connections that were cut have closed. */
const CUT_MS = 200

/**
 * Serves contracts over mTLS, with health and reflection beside them. Each call is checked against its route's callers,
 * logged once, measured, and answered with the status of what its handler throws. So are calls that reach no handler.
 */
export async function serve(options: ServeOptions): Promise<RpcServer> {
  const { identity } = options
  const names = options.services.map(serviceName)
  const health = createHealth(names)
  const described = [...options.services, health.service]
  const bound = [...described, ...createReflection(described)]
  const { server, callers, live } = createServer(bound, options)

  const credentials = new RotatingServerCredentials(identity)
  const address = parseServerAddress(options.listenAddress, 'listen address')
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, credentials, (error, boundPort) => (error === null ? resolve(boundPort) : reject(error)))
  }).catch((error: Error) => {
    credentials.close()
    throw new Error(`cannot listen on ${address}: ${error.message}`, { cause: error })
  })

  const boundAddress = address.replace(/:\d+$/, `:${port}`)
  /** tryShutdown waits for open streams without limit, so this ends them, and a timer ends the wait. */
  const drain = async () => {
    health.set(false)
    for (const call of live)
      if (call.isStream) call.abort(new AppError('unavailable', 'the server is shutting down; try again'))
    // While channelz is off, forceShutdown of grpc-js does not see connections; drain does, and cuts them after the timeout.
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
