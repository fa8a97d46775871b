import type { SecureConnector } from '@grpc/grpc-js/build/src/channel-credentials.js'
import type { SubchannelAddress } from '@grpc/grpc-js/build/src/subchannel-address.js'
import type { Transport } from '@grpc/grpc-js/build/src/transport.js'
import type { TLSSocket } from 'node:tls'
import { Http2SubchannelConnector } from '../../grpc.ts'

/** Opens the HTTP/2 session over a connection that TLS has secured. */
export type StartSession = (socket: TLSSocket) => Promise<Transport>

/** A connector of grpc-js that dials by itself. */
export interface Dialler extends SecureConnector {
  /** Makes one attempt to connect, up to the settings of HTTP/2. */
  dial(address: SubchannelAddress, startSession: StartSession): Promise<Transport>
}

/** The parts of grpc-js's own class that this file uses; its types call them private. */
interface Connector {
  connect(address: SubchannelAddress, connector: SecureConnector, options: object): Promise<Transport>
  createSession(
    secured: { socket: TLSSocket; secure: boolean },
    address: SubchannelAddress,
    options: object,
  ): Promise<Transport>
}

/**
 * Makes grpc-js connect through diallers. By itself it waits without a limit for TCP, for TLS and for HTTP/2, and takes a
 * proxy from the environment. It has no option for either: see docs/decisions/0030-one-dialler.md. A test fails if a
 * new version of grpc-js no longer connects this way.
 */
export function connectThroughDiallers(): void {
  const prototype = Http2SubchannelConnector.prototype as unknown as Connector
  const connect = prototype.connect
  prototype.connect = function (this: Connector, address, connector, options) {
    if (!('dial' in connector)) return connect.call(this, address, connector, options)
    return (connector as Dialler).dial(address, (socket) =>
      this.createSession({ socket, secure: true }, address, options),
    )
  }
}
