import { constants } from 'node:crypto'
import type { Socket } from 'node:net'
import { connect as tlsConnect, createSecureContext, type PeerCertificate, type SecureContext } from 'node:tls'
import type { ServiceName } from '@muster/domain'
import type { SecureConnector } from '@grpc/grpc-js/build/src/channel-credentials.js'
import { CallCredentials, ChannelCredentials, ServerCredentials } from '../grpc.ts'
import type { TlsIdentity, TlsMaterial } from './tls-identity.ts'

// The one file that leans on grpc-js's extension points below its public API; the version is pinned in the catalog.
// createSsl() either never asks for a client certificate or refuses all who have none, and grpc-js's own provider
// credentials leave no room for the TLS version and ticket options. See docs/decisions/0001-one-listener.md.

const TLS_OPTIONS = {
  minVersion: 'TLSv1.3',
  // No tickets: a resumed session would skip the check of the client's certificate against today's roots.
  // (SPIRE 1.14.3 had to turn them off for the same reason.) With tickets off, TLS 1.3 falls back to stateful
  // sessions, and Node keeps no server-side session store, so nothing can be resumed.
  secureOptions: constants.SSL_OP_NO_TICKET,
} as const

/** A slow or silent peer may hold a handshake this long. */
const HANDSHAKE_TIMEOUT_MS = 10_000

/**
 * Server credentials for one listener that takes callers with and without a certificate: TLS 1.3 only, no session
 * resumption. A client certificate that does not verify counts as none. Follows updates of the identity.
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

/** The server's certificate does not verify, or is not the one that was expected. */
export class ServerNotTrustedError extends Error {
  override readonly name = 'ServerNotTrustedError'
}

// How OpenSSL and Node name failed verification; other handshake errors (reset, alert) say nothing about trust.
const VERIFY_ERROR =
  /^(?:CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_CERT_|INVALID_|HOSTNAME_MISMATCH|ERROR_IN_CERT)/

/** Says whether a server's certificate, already verified against the host roots, is the one expected. */
export type ServerCheck = (certificate: PeerCertificate) => Error | undefined

/** Channel credentials: TLS 1.3 only, host roots only, SPIFFE id instead of host name. Follows updates of the identity. */
export class RotatingChannelCredentials extends ChannelCredentials {
  readonly #identity: TlsIdentity
  readonly #check: ServerCheck
  /** Who is called. */
  readonly service: ServiceName
  /** Why the last handshake failed, if the server was not to be trusted. */
  trustFailure: ServerNotTrustedError | undefined
  #context: { material: TlsMaterial; secureContext: SecureContext } | undefined

  constructor(identity: TlsIdentity, service: ServiceName, check: ServerCheck) {
    super()
    this.service = service
    this.#identity = identity
    this.#check = check
  }

  _isSecure(): boolean {
    return true
  }

  _equals(other: ChannelCredentials): boolean {
    return this === other
  }

  _createSecureConnector(
    _target: unknown,
    _options: unknown,
    callCredentials: CallCredentials = CallCredentials.createEmpty(),
  ): SecureConnector {
    return {
      connect: (socket) => this.#connect(socket),
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => callCredentials,
      destroy: () => {},
    }
  }

  #connect(socket: Socket): Promise<{ socket: Socket; secure: boolean }> {
    return new Promise((resolve, reject) => {
      const tlsSocket = tlsConnect({
        socket,
        secureContext: this.#secureContext(),
        ALPNProtocols: ['h2'],
        // Said aloud, since NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment would otherwise turn all checks off.
        rejectUnauthorized: true,
        checkServerIdentity: (_host, certificate) => this.#check(certificate),
        ...TLS_OPTIONS,
      })
      const onClose = () => reject(new Error('the server closed the connection during the TLS handshake'))
      tlsSocket.once('secureConnect', () => {
        tlsSocket.off('close', onClose)
        this.trustFailure = undefined
        resolve({ socket: tlsSocket, secure: true })
      })
      tlsSocket.once('error', (error: NodeJS.ErrnoException) => {
        this.trustFailure = asTrustFailure(error)
        reject(error)
      })
      tlsSocket.once('close', onClose)
    })
  }

  #secureContext(): SecureContext {
    const material = this.#identity.current
    if (this.#context?.material !== material) {
      const { own, hostRootsPem } = material
      const keyAndChain = own === undefined ? {} : { key: own.keyPem, cert: own.chainPem }
      this.#context = {
        material,
        secureContext: createSecureContext({ ca: hostRootsPem, ...keyAndChain, ...TLS_OPTIONS }),
      }
    }
    return this.#context.secureContext
  }
}

function asTrustFailure(error: NodeJS.ErrnoException): ServerNotTrustedError | undefined {
  if (error instanceof ServerNotTrustedError) return error
  if (!VERIFY_ERROR.test(error.code ?? '')) return undefined
  return new ServerNotTrustedError(`the server's certificate does not verify: ${error.message}`, { cause: error })
}
