import type { Socket } from 'node:net'
import { connect as tlsConnect, createSecureContext, type SecureContext } from 'node:tls'
import type { ServiceName } from '@muster/domain'
import type { SecureConnector } from '@grpc/grpc-js/build/src/channel-credentials.js'
import { CallCredentials, ChannelCredentials } from '../grpc.ts'
import { asTrustFailure, type ServerCheck, type ServerNotTrustedError } from './server-trust.ts'
import type { TlsIdentity, TlsMaterial } from './tls-identity.ts'
import { TLS_OPTIONS } from './tls-options.ts'

/** Channel credentials: TLS 1.3 only, host roots only, SPIFFE id instead of host name. Follows updates of the identity. */
export class RotatingChannelCredentials extends ChannelCredentials {
  readonly #identity: TlsIdentity
  readonly #check: ServerCheck
  /** The service that is called. */
  readonly service: ServiceName
  /** Why the last handshake failed, if it failed because the server is not trusted. */
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
        // Explicit, because NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment would otherwise turn all checks off.
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
