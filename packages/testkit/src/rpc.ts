import { AppError, type ServiceName } from '@muster/domain'
import { systemClock } from '@muster/runtime'
import { Registry } from 'prom-client'
import { connect, type Connection, type ServiceDefinition, TlsIdentity, type TlsMaterial } from '@muster/rpc'
import { DEFAULT_GATE_LIMITS, type RpcServer, serve, type ServeOptions } from '@muster/rpc/server'
import { withTestDeadline } from './client-deadline.ts'
import { silentLog } from './silent-log.ts'

export * from './client-deadline.ts'
export * from './sample-service.ts'

export interface ServeForTestOptions extends Partial<Omit<ServeOptions, 'identity'>> {
  clusterName: string
  services: ServeOptions['services']
  /** The name of the service that is served. */
  identity: TlsMaterial | TlsIdentity
}

/** Serves contracts on a free port of loopback as a service would. Logs nothing unless it is given a log. */
export function serveForTest({ identity, ...options }: ServeForTestOptions): Promise<RpcServer> {
  return serve({
    listenAddress: '127.0.0.1:0',
    clock: systemClock,
    log: silentLog,
    metrics: new Registry(),
    drainTimeoutMs: 2_000,
    // Tests show one bad certificate after the other, and send a lot, from one address.
    gate: { ...DEFAULT_GATE_LIMITS, badCertificates: 1_000, cpuPercentPerSource: 10_000, handshakesCpuPercent: 10_000 },
    ...options,
    identity: identity instanceof TlsIdentity ? identity : new TlsIdentity(identity),
  })
}

/** Connects to a service with this TLS material. */
export function connectForTest(address: string, service: ServiceName, material: TlsMaterial | TlsIdentity): Connection {
  const identity = material instanceof TlsIdentity ? material : new TlsIdentity(material)
  return withTestDeadline(connect({ addresses: [address], identity, service }))
}

/** The answer of a server's table to a caller: let in, no identity, or not on the list. */
export type Access = 'allowed' | 'unauthenticated' | 'denied'

/** Calls an RPC of any shape with an empty request, to see whether its handler is reached. The handler's answer does not matter. */
export async function accessOf(connection: Connection, method: ServiceDefinition[string]): Promise<Access> {
  const request: unknown = method.requestDeserialize(Buffer.alloc(0))
  try {
    if (method.requestStream) {
      const stream = connection.duplex(method, () => {})
      stream.send(request)
      await stream.ended
    } else if (method.responseStream) {
      const messages = connection.serverStream(method, request, new AbortController().signal)
      for await (const message of messages) if (message !== undefined) break
    } else {
      await (connection.client({ method }) as unknown as Record<'method', (r: unknown) => Promise<unknown>>).method(
        request,
      )
    }
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    if (error.kind === 'unauthenticated' && error.reason === 'NO_IDENTITY') return 'unauthenticated'
    if (error.reason === 'CALLER_NOT_ALLOWED' || error.message === 'nobody may call this RPC') return 'denied'
  }
  return 'allowed'
}

/** The answers of a server's table to these callers, and the expected answers if only `allowed` may call. */
export async function accessOfEach(
  callers: Readonly<Record<string, TlsMaterial>>,
  allowed: readonly string[],
  connect: (material: TlsMaterial) => Connection,
  method: ServiceDefinition[string],
): Promise<{ found: Record<string, Access>; expected: Record<string, Access> }> {
  const found: Record<string, Access> = {}
  const expected: Record<string, Access> = {}
  for (const [name, material] of Object.entries(callers)) {
    found[name] = await accessOf(connect(material), method)
    expected[name] = allowed.includes(name) ? 'allowed' : name === 'anonymous' ? 'unauthenticated' : 'denied'
  }
  return { found, expected }
}

/** Connections to one server for any caller, which are closed together. */
export function connectionsTo({ address }: Pick<RpcServer, 'address'>, service: ServiceName) {
  const connections: Connection[] = []
  return {
    connect(material: TlsMaterial | TlsIdentity): Connection {
      const connection = connectForTest(address, service, material)
      connections.push(connection)
      return connection
    },
    closeAll() {
      for (const connection of connections) connection.close()
    },
  }
}
