import { createSecureContext, type SecureContext } from 'node:tls'
import type { ServiceName } from '@muster/domain'
import { attemptToConnect } from './dial/attempt.ts'
import { connectThroughDiallers, type Dialler, type StartSession } from './dial/grpc-dialler.ts'
import { addressThrough } from './dial/dial.ts'
import type { Proxy } from './dial/proxies.ts'
import { formatTarget, openTcp, openTcpThrough, openTls, type TcpTarget } from './dial/steps.ts'
import { CallCredentials, ChannelCredentials } from '../grpc.ts'
import { asTrustFailure, type ServerCheck, type ServerNotTrustedError } from '../tls/server-trust.ts'
import type { TlsIdentity, TlsMaterial } from '../tls/tls-identity.ts'
import { TLS_OPTIONS } from '../tls/tls-options.ts'

connectThroughDiallers()

/** What channel credentials need. */
export interface ChannelCredentialsOptions {
  identity: TlsIdentity
  /** The service that is called. */
  service: ServiceName
  check: ServerCheck
  /** The longest time for one attempt to connect. */
  attemptLimitMs: number
  /** A proxy, and the HOST:PORT to reach through it. The channel's own target is the proxy then. */
  tunnel?: { proxy: Proxy; address: string } | undefined
}

/** Channel credentials: TLS 1.3 only, host roots only, SPIFFE id instead of host name. Follows updates of the identity. */
export class RotatingChannelCredentials extends ChannelCredentials {
  readonly #options: ChannelCredentialsOptions
  /** The service that is called. */
  readonly service: ServiceName
  /** Why the last handshake failed, if it failed because the server is not trusted. */
  trustFailure: ServerNotTrustedError | undefined
  /** What the last attempt to connect waits for, or waited for last; undefined once there is a connection. */
  waitsFor: string | undefined
  #context: { material: TlsMaterial; secureContext: SecureContext } | undefined

  constructor(options: ChannelCredentialsOptions) {
    super()
    this.#options = options
    this.service = options.service
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
  ): Dialler {
    const stop = new AbortController()
    return {
      dial: (address, startSession) => this.#dial(address as TcpTarget, startSession, stop.signal),
      connect: () => Promise.reject(new Error('this connector dials by itself')),
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => callCredentials,
      destroy: () => stop.abort(),
    }
  }

  #dial(target: TcpTarget, startSession: StartSession, signal: AbortSignal): ReturnType<StartSession> {
    const { check, attemptLimitMs: limitMs, tunnel } = this.#options
    const peer = tunnel === undefined ? formatTarget(target) : addressThrough(tunnel.address, tunnel.proxy)
    return attemptToConnect(
      async (attempt) => {
        const socket = await (tunnel === undefined
          ? openTcp(attempt, target)
          : openTcpThrough(attempt, tunnel.proxy, tunnel.address, target))
        const secured = await openTls(attempt, socket, peer, {
          secureContext: this.#secureContext(),
          ALPNProtocols: ['h2'],
          // Explicit, because NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment would otherwise turn all checks off.
          rejectUnauthorized: true,
          checkServerIdentity: (_host, certificate) => check(certificate),
          ...TLS_OPTIONS,
        }).catch((error: NodeJS.ErrnoException) => {
          this.trustFailure = asTrustFailure(error)
          throw error
        })
        this.trustFailure = undefined
        attempt.waitFor(`${peer} completed the TLS handshake and did not begin HTTP/2`)
        const session = await startSession(secured)
        this.waitsFor = undefined
        return session
      },
      { limitMs, signal },
      (clause) => (this.waitsFor = clause),
    )
  }

  #secureContext(): SecureContext {
    const material = this.#options.identity.current
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
