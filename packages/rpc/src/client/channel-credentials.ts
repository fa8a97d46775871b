import type { Socket } from 'node:net'
import { createSecureContext, type PeerCertificate, type SecureContext } from 'node:tls'
import { ClockError, type ServiceName } from '@muster/domain'
import { type Attempt, attemptToConnect } from './dial/attempt.ts'
import { connectThroughDiallers, type Dialler, type StartSession } from './dial/grpc-dialler.ts'
import { addressThrough } from './dial/dial.ts'
import type { Proxy } from './dial/proxies.ts'
import { formatTarget, openTcp, openTcpThrough, openTls, type TcpTarget } from './dial/steps.ts'
import { askServer, hasVerified, type ServerShown } from './server-dates.ts'
import { CallCredentials, ChannelCredentials } from '../grpc.ts'
import { clockError, isDateError } from '../tls/clock-error.ts'
import { asTrustFailure, type ServerCheck, ServerNotTrustedError } from '../tls/server-trust.ts'
import type { TlsIdentity, TlsMaterial } from '../tls/tls-identity.ts'
import { TLS_OPTIONS } from '../tls/tls-options.ts'

connectThroughDiallers()

/** A client that reconnects every second asks for the server's clock no more often than this. */
const ASK_AGAIN_MS = 60_000

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
  /** Why the last handshake failed, if the dates of the server's certificate do not fit the clock. */
  clockError: ClockError | undefined
  /** What the last attempt to connect waits for, or waited for last; undefined once there is a connection. */
  waitsFor: string | undefined
  #asked: { shown: ServerShown | undefined; at: number } | undefined
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
        const tls = {
          secureContext: this.#secureContext(),
          ALPNProtocols: ['h2'],
          // Explicit, because NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment would otherwise turn all checks off.
          rejectUnauthorized: true,
          checkServerIdentity: (_host: string, certificate: PeerCertificate) => check(certificate),
          ...TLS_OPTIONS,
        }
        const socket = this.#open(attempt, target)
        const opened = socket.then((open) => openTls(attempt, open, peer, tls))
        const secured = await opened.catch(async (error: NodeJS.ErrnoException) => {
          const why = isDateError(error)
            ? await this.#explainDates(attempt, target, peer, error)
            : asTrustFailure(error)
          this.trustFailure = why instanceof ServerNotTrustedError ? why : undefined
          this.clockError = why instanceof ClockError ? why : undefined
          throw error
        })
        this.trustFailure = undefined
        this.clockError = undefined
        attempt.waitFor(`${peer} completed the TLS handshake and did not begin HTTP/2`)
        const session = await startSession(secured)
        this.waitsFor = undefined
        return session
      },
      { limitMs, signal },
      (clause) => (this.waitsFor = clause),
    )
  }

  #open(attempt: Attempt, target: TcpTarget): Promise<Socket> {
    const { tunnel } = this.#options
    if (tunnel === undefined) return openTcp(attempt, target)
    return openTcpThrough(attempt, tunnel.proxy, tunnel.address, target)
  }

  /** Asks the server for its chain and its time over a connection that is not verified, and shows no certificate. */
  async #explainDates(attempt: Attempt, target: TcpTarget, peer: string, cause: Error): Promise<Error> {
    const options = { rejectUnauthorized: false, ALPNProtocols: ['h2'], ...TLS_OPTIONS }
    // For a call that ends while the server is asked.
    this.clockError = clockError(this.service, new Date(), undefined, cause)
    const ask = async () => askServer(await openTls(attempt, await this.#open(attempt, target), peer, options))
    if (this.#asked === undefined || performance.now() - this.#asked.at > ASK_AGAIN_MS) {
      this.#asked = { shown: await ask().catch(() => undefined), at: performance.now() }
    }
    const { shown, at } = this.#asked
    // OpenSSL names the last fault that it finds in a chain, which may not be the only one.
    if (shown !== undefined && !hasVerified(shown, this.#options.identity.current.hostRootsPem)) {
      return new ServerNotTrustedError("the server's certificate does not verify, and is not valid now", { cause })
    }
    const now = shown?.dates.now && new Date(shown.dates.now.getTime() + performance.now() - at)
    return clockError(this.service, new Date(), shown && { ...shown.dates, now }, cause)
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
