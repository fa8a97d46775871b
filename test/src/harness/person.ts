import { ca, registration, token, users } from '@muster/contracts'
import { chainPem, createCsr, generateKey, privateKeyPem } from '@muster/pki'
import { connect, TlsIdentity, type ClientOf, type Connection } from '@muster/rpc'
import type { Cluster } from './cluster.ts'
import type { Addresses } from './operator.ts'

/** Somebody who has signed up, and speaks to every service by RPC. */
export interface Person {
  tokens: ClientOf<typeof token.TokenServiceService>
  authority: ClientOf<typeof ca.CaServiceService>
  nodes: ClientOf<typeof registration.RegistrationServiceService>
  users: ClientOf<typeof users.UserServiceService>
  watch(signal: AbortSignal): AsyncIterable<registration.WatchNodesResponse>
}

const SERVICES = ['token-service', 'ca-service', 'registration-service'] as const

/** Enters a person and signs them up with a key of their own, as `musterctl login` does. */
export async function signUp(cluster: Cluster, name: string, roles: string[]): Promise<Person> {
  const { signupToken } = await cluster.operator.users.createUser({ name, roles, signupTtlSeconds: 300 })
  const { hostRootsPem } = cluster.operator
  const privateKey = generateKey()
  const anonymous = open(cluster, 'registration-service', new TlsIdentity({ hostRootsPem, userRootsPem: '' }))
  const csrDer = createCsr({ privateKey, commonName: name })
  const client = anonymous.client(users.UserServiceService)
  const { certificate } = await client.signup({ token: signupToken, userName: name, csrDer })
  const own = { keyPem: privateKeyPem(privateKey), chainPem: chainPem(certificate!.chainDer) }
  const identity = new TlsIdentity({ own, hostRootsPem, userRootsPem: '' })
  const [tokens, authority, register] = SERVICES.map((service) => open(cluster, service, identity)) as [
    Connection,
    Connection,
    Connection,
  ]
  return {
    tokens: tokens.client(token.TokenServiceService),
    authority: authority.client(ca.CaServiceService),
    nodes: register.client(registration.RegistrationServiceService),
    users: register.client(users.UserServiceService),
    watch: (signal) => register.serverStream(registration.RegistrationServiceService.watchNodes, {}, signal),
  }
}

function open({ life, services }: Cluster, service: keyof Addresses, identity: TlsIdentity): Connection {
  const addresses = services[service].map(({ address }) => address)
  return life.own(`a person's connection to ${service}`, connect({ addresses, identity, service }), (c) => c.close())
}
