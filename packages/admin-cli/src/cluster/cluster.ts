import { audit, bots, ca, registration, token, users } from '@muster/contracts'
import {
  AppError,
  AUDITED_SERVICES,
  type AuditedService,
  byService,
  describeService,
  type ServiceName,
  SERVING_SERVICES,
} from '@muster/domain'
import { spkiPin } from '@muster/pki'
import {
  type ClientOf,
  connect,
  type Connection,
  isTrustFailure,
  type MethodDefinition,
  type ProxyFor,
  type ServiceDefinition,
  TlsIdentity,
} from '@muster/rpc'
import { readProxies } from './read-proxies.ts'
import { withValidCertificate } from '../identity/replace-expired.ts'
import { CallError } from '../cli/errors.ts'
import { findIdentity, type FindOptions } from '../identity/identity.ts'
import { assertUsable, type OperatorIdentity } from '../identity/operator-identity.ts'
import { tlsMaterial } from '@muster/identity'
import { renewTrust } from '../identity/renew-trust.ts'
import { Renewal } from '../identity/renewal.ts'
import { safeText } from '@muster/domain/safe-text'

/** The services as this operator may call them. Every failed call is a CallError. */
export interface Cluster {
  operator: OperatorIdentity
  tokens: ClientOf<token.TokenServiceService>
  ca: ClientOf<ca.CaServiceService>
  registration: ClientOf<registration.RegistrationServiceService>
  users: ClientOf<users.UserServiceService>
  bots: ClientOf<bots.BotServiceService>
  /** Each service has its own audit log. */
  audit: Record<AuditedService, ClientOf<audit.AuditServiceService>>
  /**
   * The nodes, then each change. Ends without an error when the signal aborts, and when the certificate is renewed: the next call
   * uses the new one.
   */
  watchNodes(signal: AbortSignal): AsyncIterable<registration.WatchNodesResponse>
  /** Audit events of a service as they happen; ends like `watchNodes`. */
  watchAudit(
    service: AuditedService,
    request: audit.WatchEventsRequest,
    signal: AbortSignal,
  ): AsyncIterable<audit.WatchEventsResponse>
  /** The pins of all host roots that members must trust now. */
  caPins(): Promise<string[]>
  /** Closes the connections, after a short wait for a renewal in progress. */
  close(): Promise<void>
}

/**
 * Finds the identity and prepares the connections. Sends nothing yet except a person's renewal that is due: during the first
 * calls, or before them if the certificate has expired. @throws CliError about the identity
 */
export async function openCluster(options: FindOptions & { signal: AbortSignal }): Promise<Cluster> {
  const found = await findIdentity(options)
  await assertUsable(found, options)
  const proxyFor = readProxies(options.io.env)
  const operator = await withValidCertificate(found, { ...options, proxyFor })
  const { addresses } = operator.profile
  const tls = new TlsIdentity(tlsMaterial(operator))
  const refreshRoles = () => renewal.refreshRoles()
  const replaceExpired = () => renewal.replaceExpired()
  const learnRoots = () => renewTrust({ operator, tls, proxyFor, signal: options.signal })
  const services = byService(SERVING_SERVICES, (service) => {
    const address = addresses[describeService(service).shortName]
    const { signal } = options
    const renewals = { refreshRoles, replaceExpired, learnRoots }
    return new Service({ service, address, operator, tls, proxyFor, ...renewals, signal })
  })
  const { 'token-service': tokens, 'ca-service': authorities, 'registration-service': roll } = services
  const renewal = new Renewal({
    operator,
    tls,
    client: roll.connection.client(users.UserServiceService),
    now: options.now,
    warn: (line) => options.io.stderr.write(`musterctl: warning: ${safeText(line)}\n`),
    signal: options.signal,
    proxyFor,
  })
  const caClient = authorities.client(ca.CaServiceService)
  return {
    operator,
    tokens: tokens.client(token.TokenServiceService),
    ca: caClient,
    registration: roll.client(registration.RegistrationServiceService),
    users: roll.client(users.UserServiceService),
    bots: roll.client(bots.BotServiceService),
    audit: byService(AUDITED_SERVICES, (service) => services[service].client(audit.AuditServiceService)),
    watchNodes: (signal) => roll.stream(registration.RegistrationServiceService.watchNodes, {}, signal),
    watchAudit: (service, request, signal) =>
      services[service].stream(audit.AuditServiceService.watchEvents, request, signal),
    async caPins() {
      const { trustBundle } = await caClient.getTrustBundle({})
      return (trustBundle?.hostRootsDer ?? []).map((der) => spkiPin(der))
    },
    async close() {
      await renewal.close()
      for (const { connection } of Object.values(services)) connection.close()
    },
  }
}

interface ServiceOptions {
  service: ServiceName
  address: string
  operator: OperatorIdentity
  tls: TlsIdentity
  proxyFor: ProxyFor
  /** Renews to get roles that were added since; true if the roles are now different. */
  refreshRoles: () => Promise<boolean>
  /** Renews an expired certificate; true if there is a new one. */
  replaceExpired: () => Promise<boolean>
  /** Learns the roots again after a rotation; true if there are new ones. */
  learnRoots: () => Promise<boolean>
  signal: AbortSignal
}

/** A service whose errors name it and its address. */
class Service {
  readonly connection: Connection
  readonly #options: ServiceOptions

  constructor(options: ServiceOptions) {
    const { service, address, operator, tls, proxyFor } = options
    const { clusterName } = operator.profile
    this.connection = connect({ addresses: [address], identity: tls, service, clusterName, proxyFor })
    this.#options = options
  }

  client<D extends ServiceDefinition>(definition: D): ClientOf<D> {
    type Call = (request: unknown, options: object) => Promise<unknown>
    const { signal } = this.#options
    const calls = Object.entries(this.connection.client(definition)) as [string, Call][]
    const explained = calls.map(([name, call]) => [
      name,
      (request: unknown) => this.#withCurrentRoles(() => call(request, { signal })),
    ])
    return Object.fromEntries(explained) as ClientOf<D>
  }

  async *stream<Q, S>(method: MethodDefinition<Q, S>, request: Q, signal: AbortSignal): AsyncGenerator<S> {
    const renewed = new AbortController()
    const stopFollowing = this.#options.tls.onUpdate(() => renewed.abort())
    try {
      yield* this.connection.serverStream(method, request, AbortSignal.any([signal, renewed.signal]))
    } catch (error) {
      // The machine may have slept past the end of the certificate. The next call uses a new one.
      const isStranger = error instanceof AppError && error.kind === 'unauthenticated'
      if (!isStranger || !(await this.#options.replaceExpired())) throw this.#explain(error)
    } finally {
      stopFollowing()
    }
  }

  /** Added roles work from the next certificate on, so a call that lacks a role renews and retries once. */
  async #withCurrentRoles<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call().catch(async (error: unknown) => {
        if (isTrustFailure(error) && (await this.#options.learnRoots())) return call()
        const lacksRole = error instanceof AppError && error.reason === 'CALLER_NOT_ALLOWED'
        if (lacksRole && (await this.#options.refreshRoles())) return call()
        throw error
      })
    } catch (error) {
      throw this.#explain(error)
    }
  }

  #explain(error: unknown): unknown {
    if (!(error instanceof AppError)) return error
    const { service, address, operator } = this.#options
    const { dir: identityDir, profile } = operator
    return new CallError(error, { service, address, identityDir, user: profile.user, untrusted: isTrustFailure(error) })
  }
}
