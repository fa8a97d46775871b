import { once } from 'node:events'
import {
  type AddressInfo,
  connect as connectTcp,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from 'node:net'
import { Duplex } from 'node:stream'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { afterEach } from '@jest/globals'
import { testCluster, type TestMaterial } from '@muster/testkit'
import { connections, sampleService, sayWhoCalls, serveForTest, whoAmI } from '@muster/testkit/rpc'
import { memoryLog } from '@muster/testkit/log'
import { systemClock } from '@muster/runtime'
import { Registry } from 'prom-client'
import { DEFAULT_GATE_LIMITS, type GateLimits } from '../../src/gate/limits.ts'
import { anyone } from '../../src/server/callers.ts'
import type { CurrentRoles } from '../../src/server/admission.ts'
import type { RpcServer } from '../../src/server/serve.ts'

/** The cluster whose members the server under test knows. */
export const cluster = testCluster()
const { open: openConnection, closeAll } = connections()
const { log, lines } = memoryLog()
let metrics: Registry
let server: RpcServer
let aheadMs = 0
const sockets: Socket[] = []
const fronts: Server[] = []

afterEach(async () => {
  closeAll()
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const front of fronts.splice(0)) front.close()
  await server.close()
  lines.length = 0
  aheadMs = 0
})

/** Starts a server behind a gate with these limits, which ends with the test. Its one RPC says who calls. */
export async function serve(
  limits: Partial<GateLimits> = {},
  callers = anyone,
  { currentRoles, host = '127.0.0.1' }: { currentRoles?: CurrentRoles; host?: string } = {},
): Promise<void> {
  const sample = sampleService()
  const routes = { ...sample.routes, getTrustBundle: { ...sayWhoCalls, callers } }
  metrics = new Registry()
  server = await serveForTest({
    clusterName: cluster.clusterName,
    identity: cluster.service('registration-service'),
    services: [{ ...sample, routes }],
    listenAddress: `${host}:0`,
    ...(currentRoles !== undefined && { currentRoles }),
    clock: { ...systemClock, now: () => new Date(Date.now() + aheadMs) },
    gate: { ...DEFAULT_GATE_LIMITS, ...limits },
    log,
    metrics,
  })
}

/** Puts the clock of the server ahead. */
export function advance(ms: number): void {
  aheadMs = ms
}

function address() {
  const [, port] = server.address.split(':')
  return { host: '127.0.0.1', port: Number(port) }
}

/** A client of the server, from 127.0.0.1. */
export function open(material: TestMaterial): ReturnType<typeof openConnection> {
  const { host, port } = address()
  return openConnection(`${host}:${port}`, material)
}

/** A TCP connection that says nothing. */
export async function silent(localAddress = '127.0.0.2'): Promise<Socket> {
  const socket = connectTcp({ ...address(), localAddress })
  socket.on('error', () => {})
  socket.resume()
  sockets.push(socket)
  await once(socket, 'connect')
  return socket
}

/** Whether the server, or the test, has ended it. */
export function isClosed(socket: Socket): boolean {
  return socket.closed || socket.destroyed
}

/** A TLS connection from another source than the honest ones. Resolves once the handshake is done, rejects if it fails. */
export async function handshake(material: TestMaterial, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const { own } = material
  const socket = connectTls({
    ...address(),
    ...({ localAddress: '127.0.0.2' } as object),
    ca: cluster.hostRootsPem,
    ALPNProtocols: ['h2'],
    checkServerIdentity: () => undefined,
    ...(own !== undefined && { key: own.keyPem, cert: own.chainPem }),
    ...options,
  })
  sockets.push(socket)
  await once(socket, 'secureConnect')
  socket.on('error', () => {})
  socket.resume()
  return socket
}

/** The first flight of a TLS client. */
export async function clientHello(): Promise<Buffer> {
  return new Promise((resolve) => {
    const wire = new Duplex({ read: () => {}, write: (hello: Buffer) => resolve(hello) })
    connectTls({ socket: wire, ALPNProtocols: ['h2'] }).on('error', () => {})
  })
}

/** The open connections of a kind, by the gate's metric. */
export async function connectionsOf(kind: string): Promise<number> {
  const { values } = await metrics.getSingleMetric('muster_gate_connections')!.get()
  return values.find(({ labels }) => labels['kind'] === kind)!.value
}

/** How often the gate reports this reason, by its metric. */
export async function refused(reason: string): Promise<number> {
  const { values } = await metrics.getSingleMetric('muster_gate_refused_total')!.get()
  return values.find(({ labels }) => labels['reason'] === reason)!.value
}

/** The addresses from which the calls came, as the log has them. */
export function callers(): unknown[] {
  return lines.filter(({ msg }) => msg === 'call').map(({ remoteAddress }) => remoteAddress)
}

/** A TCP connection to the server that begins with these bytes. */
export async function sending(bytes: Buffer, localAddress?: string): Promise<Socket> {
  const socket = await silent(localAddress)
  socket.setNoDelay().write(bytes)
  return socket
}

/** A balancer before the server, at an address of its own. @returns where it listens */
export async function balancer(header: () => Buffer, localAddress = '127.0.0.2'): Promise<string> {
  const front = createTcpServer((client) => {
    const upstream = connectTcp({ ...address(), localAddress })
    sockets.push(client, upstream)
    for (const socket of [client, upstream]) socket.on('error', () => {})
    upstream.write(header())
    client.pipe(upstream).pipe(client)
    upstream.on('close', () => client.destroy())
  })
  fronts.push(front)
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(front.address() as AddressInfo).port}`
}

/** A client of the server behind a balancer. */
export function openThrough(front: string, material: TestMaterial): ReturnType<typeof openConnection> {
  return openConnection(front, material)
}

/** The warnings of the gate in the log. */
export function warnings(): typeof lines {
  return lines.filter(({ event }) => event === 'gate.refused')
}

/** A call of a node from 127.0.0.1. @returns who the server thinks it is */
export function honest(): Promise<string> {
  return whoAmI(open(cluster.node()))
}
