import { ServerCredentials } from '../grpc.ts'
import type { TlsIdentity, TlsMaterial } from './tls-identity.ts'
import { TLS_OPTIONS } from './tls-options.ts'

// This file and channel-credentials.ts use grpc-js's extension points below its public API; the catalog pins the version.
// createSsl() either never asks for a client certificate or refuses all who have none, and grpc-js's own provider
// credentials leave no room for the TLS version and ticket options. See docs/decisions/0001-one-listener.md.

/** A handshake with a slow or silent peer is cut off after this time. */
const HANDSHAKE_TIMEOUT_MS = 10_000

/**
 * Server credentials for one listener that accepts callers with and without a certificate: TLS 1.3 only, no session
 * resumption. A client certificate that does not verify is treated as none. Follows updates of the identity.
 */
export class RotatingServerCredentials extends ServerCredentials {
  readonly #stop: () => void

  constructor(identity: TlsIdentity) {
    super(
      { requestCert: true, rejectUnauthorized: false, handshakeTimeout: HANDSHAKE_TIMEOUT_MS, ...TLS_OPTIONS },
      serverContext(identity.current),
    )
    this.#stop = identity.onUpdate(() => this.updateSecureContextOptions(serverContext(identity.current)))
  }

  /** Stops following the identity. */
  close(): void {
    this.#stop()
  }

  _equals(other: ServerCredentials): boolean {
    return this === other
  }
}

function serverContext({ own, hostRootsPem, userRootsPem }: TlsMaterial) {
  if (own === undefined) throw new Error('a server needs a certificate')
  return { key: own.keyPem, cert: own.chainPem + hostRootsPem, ca: [hostRootsPem, userRootsPem], ...TLS_OPTIONS }
}
