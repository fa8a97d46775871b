import { constants } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import {
  Server,
  ServerCredentials,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerUnaryCall,
} from '@grpc/grpc-js'
import { collectGarbage } from './collect.ts'
import { floorService, HEARTBEAT_REPLY, UNARY_REPLY } from './floor-service.ts'
import type { FloorMaterial } from './floor-pki.ts'
import { serveTasks } from './worker.ts'

// Bare servers: grpc-js or node:tls and nothing of ours, with the TLS settings of the services.

/** TLS as the services set it: 1.3 only and no session tickets. */
const TLS_OPTIONS = { minVersion: 'TLSv1.3', secureOptions: constants.SSL_OP_NO_TICKET } as const

export interface FloorServerInput {
  material: FloorMaterial
  /** True: mTLS. False: the server alone has a certificate. */
  clientCertificates: boolean
}

class BareCredentials extends ServerCredentials {
  constructor({ material: { server, rootPem }, clientCertificates }: FloorServerInput) {
    super(
      { requestCert: clientCertificates, rejectUnauthorized: clientCertificates, ...TLS_OPTIONS },
      { key: server.keyPem, cert: server.chainPem + rootPem, ca: rootPem, ...TLS_OPTIONS },
    )
  }

  _equals(other: ServerCredentials): boolean {
    return this === other
  }
}

/** Serves the echo RPCs. @returns HOST:PORT */
async function serveGrpc(input: FloorServerInput): Promise<string> {
  const server = new Server({ 'grpc.enable_channelz': 0 })
  server.addService(floorService, {
    unary: (_call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>) => reply(null, UNARY_REPLY),
    heartbeat: (call: ServerDuplexStream<Buffer, Buffer>) => {
      call.on('data', () => call.write(HEARTBEAT_REPLY))
      call.on('end', () => call.end())
      call.on('error', () => {})
    },
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', new BareCredentials(input), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    )
  })
  return `127.0.0.1:${port}`
}

/** Makes handshakes and serves nothing. @returns HOST:PORT */
async function serveTls({ material: { server, rootPem } }: FloorServerInput): Promise<string> {
  const listener = createTlsServer(
    { key: server.keyPem, cert: server.chainPem + rootPem, ALPNProtocols: ['h2'], ...TLS_OPTIONS },
    (socket) => socket.on('error', () => {}).resume(),
  )
  listener.on('tlsClientError', () => {})
  await new Promise<void>((resolve, reject) => listener.once('error', reject).listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(listener.address() as AddressInfo).port}`
}

const tasks = { serveGrpc, serveTls, collect: collectGarbage }
export type FloorServerTasks = typeof tasks
serveTasks(tasks)
