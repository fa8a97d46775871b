import { bots, ca, registration, token, users } from '@muster/contracts'
import type { ServingService } from '@muster/domain'
import { type ClientOf, connect, type Connection, TlsIdentity } from '@muster/rpc'
import type { Lifecycle } from '@muster/runtime'
import { withTestDeadline } from '@muster/testkit/rpc'
import { type OperatorProfile, readIdentity } from '@muster/identity'

export type MakeToken = Partial<token.CreateTokenRequest>

/** The operator of a cluster, who speaks to the services by RPC. */
export interface Operator {
  tokens: ClientOf<typeof token.TokenServiceService>
  authority: ClientOf<typeof ca.CaServiceService>
  users: ClientOf<typeof users.UserServiceService>
  bots: ClientOf<typeof bots.BotServiceService>
  /** The roots that the operator trusts. */
  hostRootsPem: string
  /** Makes a token for nodes, good for five minutes unless told otherwise. @returns its value and its id */
  makeToken(wanted?: MakeToken): Promise<{ value: string; id: string }>
  /** The tokens that can still admit someone, at most a thousand. */
  listTokens(): Promise<token.Token[]>
  /** The whole roll as one replica of registration-service lists it. */
  roll(replica?: number): Promise<registration.Node[]>
  /** The roll and its changes as one replica sends them. */
  watch(signal: AbortSignal, replica?: number): AsyncIterable<registration.WatchNodesResponse>
}

/** HOST:PORT of each replica of each service. */
export type Addresses = Record<ServingService, readonly string[]>

/** A request for a token for nodes, by default valid for five minutes. */
export function tokenRequest(wanted: MakeToken = {}): token.CreateTokenRequest {
  return {
    roles: ['node'],
    ttlSeconds: 300,
    maxUses: undefined,
    labels: {},
    description: '',
    botName: '',
    value: '',
    name: '',
    restrictions: undefined,
    nodeLabels: {},
    ...wanted,
  }
}

/** Connects the operator whose identity is in `folder` to every replica. */
export async function connectOperator(life: Lifecycle, folder: string, addresses: Addresses): Promise<Operator> {
  const identity = await readIdentity<OperatorProfile>(folder)
  if (identity === undefined) throw new Error(`${folder} holds no identity`)
  const { keyPem, chainPem, bundlePem, profile } = identity
  const tls = new TlsIdentity({ own: { keyPem, chainPem }, hostRootsPem: bundlePem, userRootsPem: '' })
  const open = (service: ServingService, to: readonly string[]): Connection =>
    life.own(
      `operator's connection to ${service}`,
      withTestDeadline(connect({ addresses: to, identity: tls, service, clusterName: profile.clusterName })),
      (connection) => connection.close(),
    )
  const tokens = open('token-service', addresses['token-service']).client(token.TokenServiceService)
  const replicas = addresses['registration-service'].map((address) => open('registration-service', [address]))
  return {
    tokens,
    authority: open('ca-service', addresses['ca-service']).client(ca.CaServiceService),
    users: replicas[0]!.client(users.UserServiceService),
    bots: replicas[0]!.client(bots.BotServiceService),
    hostRootsPem: bundlePem,
    async makeToken(wanted = {}) {
      const made = await tokens.createToken(tokenRequest(wanted))
      return { value: made.value, id: made.token!.id }
    },
    async listTokens() {
      const all = { types: [], roles: [], labels: {}, states: [], used: false }
      return (await tokens.listTokens({ pageSize: 1000, pageToken: '', ...all })).tokens
    },
    async roll(replica = 0) {
      const client = replicas[replica]!.client(registration.RegistrationServiceService)
      const nodes: registration.Node[] = []
      let pageToken = ''
      do {
        const page = await client.listNodes({
          pageSize: 1000,
          pageToken,
          tokenId: '',
          labels: {},
          statuses: [],
          search: '',
        })
        nodes.push(...page.nodes)
        pageToken = page.nextPageToken
      } while (pageToken !== '')
      return nodes
    },
    watch: (signal, replica = 0) =>
      replicas[replica]!.serverStream(registration.RegistrationServiceService.watchNodes, {}, signal),
  }
}
