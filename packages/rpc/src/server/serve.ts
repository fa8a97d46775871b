import { AppError, parseServerAddress } from '@muster/domain'
import { Gate } from '../gate/gate.ts'
import { DEFAULT_GATE_LIMITS, type GateLimits } from '../gate/limits.ts'
import { ServerCredentials } from '../grpc.ts'
import { type BoundService, serviceName } from '../route.ts'
import type { TlsIdentity } from '../tls/tls-identity.ts'
import type { Callers } from './callers.ts'
import { createServers, type ServingOptions } from './create-servers.ts'
import { createHealth, type Health } from './health.ts'
import { createReflection } from './reflection.ts'

/** What to serve, to whom, and how to end. */
export interface ServeOptions extends ServingOptions {
  listenAddress: string
  identity: TlsIdentity
  services: readonly BoundService[]
  /** The limits of the listener. */
  gate?: GateLimits
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
  const names = options.services.map(serviceName)
  const health = createHealth(names)
  const described = [...options.services, health.service]
  const bound = [...described, ...createReflection(described)]
  const limits = options.gate ?? DEFAULT_GATE_LIMITS
  const { members, strangers, callers, live } = createServers(bound, {
    ...options,
    strangerIdleMs: limits.strangerIdleMs,
    charges: {
      charge: (connection, ms) => gate.charge(connection, ms),
      admitted: (connection) => gate.admitted(connection),
      disown: (connection) => gate.disown(connection),
    },
  })
  const toMembers = members.createConnectionInjector(ServerCredentials.createInsecure())
  const toStrangers = strangers.createConnectionInjector(ServerCredentials.createInsecure())
  const gate = new Gate({
    ...options,
    limits,
    onConnection: (socket, isMember) => (isMember ? toMembers : toStrangers).injectConnection(socket),
  })
  const address = parseServerAddress(options.listenAddress, 'listen address')
  const boundAddress = await gate.listen(address).catch(async (error: Error) => {
    await gate.close(0)
    throw new Error(`cannot listen on ${address}: ${error.message}`, { cause: error })
  })

  /** An open stream never ends by itself, so streams are told to end, and connections are cut when time is up. */
  const drain = async () => {
    health.set(false)
    for (const call of live)
      if (call.isStream) call.abort(new AppError('unavailable', 'the server is shutting down; try again'))
    for (const injector of [toMembers, toStrangers]) injector.drain(options.drainTimeoutMs)
    await gate.close(options.drainTimeoutMs + CUT_MS)
    for (const server of [members, strangers]) server.forceShutdown()
  }
  let closing: Promise<void> | undefined
  return {
    address: boundAddress,
    health,
    callers,
    close() {
      closing ??= drain()
      return closing
    },
  }
}
