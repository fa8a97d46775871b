import { audit, bots, ca, registration, token, users } from '@muster/contracts'
import { AppError, type ServiceName } from '@muster/domain'
import { spkiPin } from '@muster/pki'
import {
  connect,
  isTrustFailure,
  TlsIdentity,
  type ClientOf,
  type Connection,
  type ServiceDefinition,
} from '@muster/rpc'
import { CallError } from './errors.ts'
import { findIdentity, type FindOptions, type OperatorIdentity } from './identity.ts'

/** The three services as this operator may call them. Every failed call is a CallError. */
export interface Cluster {
  operator: OperatorIdentity
  tokens: ClientOf<token.TokenServiceService>
  ca: ClientOf<ca.CaServiceService>
  registration: ClientOf<registration.RegistrationServiceService>
  users: ClientOf<users.UserServiceService>
  bots: ClientOf<bots.BotServiceService>
  /** Each service keeps its own record. */
  audit: Record<ServiceName, ClientOf<audit.AuditServiceService>>
  /** The roll, then its changes; ends without an error when the signal aborts. */
  watchNodes(signal: AbortSignal): AsyncIterable<registration.WatchNodesResponse>
  /** The pins of all host roots that members must trust now. */
  caPins(): Promise<string[]>
  close(): void
}

/** Finds the identity and makes ready to call; nothing is sent yet. @throws CliError about the identity */
export async function openCluster(options: FindOptions & { signal: AbortSignal }): Promise<Cluster> {
  const operator = await findIdentity(options)
  const { addresses } = operator.profile
  const tokens = new Service('token-service', addresses.token, operator, options.signal)
  const authorities = new Service('ca-service', addresses.ca, operator, options.signal)
  const roll = new Service('registration-service', addresses.registration, operator, options.signal)
  const caClient = authorities.client(ca.CaServiceService)
  return {
    operator,
    tokens: tokens.client(token.TokenServiceService),
    ca: caClient,
    registration: roll.client(registration.RegistrationServiceService),
    users: roll.client(users.UserServiceService),
    bots: roll.client(bots.BotServiceService),
    audit: {
      'token-service': tokens.client(audit.AuditServiceService),
      'ca-service': authorities.client(audit.AuditServiceService),
      'registration-service': roll.client(audit.AuditServiceService),
    },
    watchNodes: (signal) => roll.watchNodes(signal),
    async caPins() {
      const { trustBundle } = await caClient.getTrustBundle({})
      return (trustBundle?.hostRootsDer ?? []).map((der) => spkiPin(der))
    },
    close: () => [tokens, authorities, roll].forEach((service) => service.connection.close()),
  }
}

/** One service, with errors that say who was asked. */
class Service {
  readonly connection: Connection
  readonly #asked: { service: ServiceName; address: string; identityDir: string }
  readonly #signal: AbortSignal

  constructor(service: ServiceName, address: string, operator: OperatorIdentity, signal: AbortSignal) {
    const { keyPem, chainPem, bundlePem, profile, dir } = operator
    const identity = new TlsIdentity({ own: { keyPem, chainPem }, hostRootsPem: bundlePem, userRootsPem: '' })
    this.connection = connect({ addresses: [address], identity, service, clusterName: profile.clusterName })
    this.#asked = { service, address, identityDir: dir }
    this.#signal = signal
  }

  client<D extends ServiceDefinition>(definition: D): ClientOf<D> {
    type Call = (request: unknown, options: object) => Promise<unknown>
    const calls = Object.entries(this.connection.client(definition)) as [string, Call][]
    const explained = calls.map(([name, call]) => [
      name,
      (request: unknown) =>
        call(request, { signal: this.#signal }).catch((error: unknown) => {
          throw this.#explain(error)
        }),
    ])
    return Object.fromEntries(explained) as ClientOf<D>
  }

  async *watchNodes(signal: AbortSignal): AsyncGenerator<registration.WatchNodesResponse> {
    const { watchNodes } = registration.RegistrationServiceService
    try {
      yield* this.connection.serverStream(watchNodes, {}, signal)
    } catch (error) {
      throw this.#explain(error)
    }
  }

  #explain(error: unknown): unknown {
    if (!(error instanceof AppError)) return error
    return new CallError(error, { ...this.#asked, untrusted: isTrustFailure(error) })
  }
}
