import type { KeyObject } from 'node:crypto'
import { ca, registration, token, users } from '@muster/contracts'
import { byService, SERVING_SERVICES, type ServingService } from '@muster/domain'
import { chainPem, createCsr, generateKey, privateKeyPem } from '@muster/pki'
import { type ClientOf, connect, type Connection, TlsIdentity } from '@muster/rpc'
import { CALL_LIMIT_MS } from '@muster/testkit'
import { withTestDeadline } from '@muster/testkit/rpc'
import type { RunningCluster } from './cluster.ts'

/** A person who has signed up, and calls every service by RPC. */
export interface Person {
  tokens: ClientOf<typeof token.TokenServiceService>
  authority: ClientOf<typeof ca.CaServiceService>
  nodes: ClientOf<typeof registration.RegistrationServiceService>
  users: ClientOf<typeof users.UserServiceService>
  watch(signal: AbortSignal): AsyncIterable<registration.WatchNodesResponse>
}

/** Signs up with a new key, over a new TLS connection. Rejects with the AppError that the server answers. */
export async function signUpDirectly(
  { services, operator }: RunningCluster,
  attempt: { token: string; name: string; privateKey?: KeyObject; replica?: number },
): Promise<users.SignupResponse> {
  const { token: value, name, privateKey = generateKey(), replica = 0 } = attempt
  const connection = connect({
    addresses: [services['registration-service'][replica]!.address],
    identity: new TlsIdentity({ hostRootsPem: operator.hostRootsPem, userRootsPem: '' }),
    service: 'registration-service',
  })
  try {
    const csrDer = createCsr({ privateKey, commonName: name })
    const client = connection.client(users.UserServiceService)
    return await client.signup(
      { token: value, userName: name, csrDer, formerChainDer: [] },
      { timeoutMs: CALL_LIMIT_MS },
    )
  } finally {
    connection.close()
  }
}

/** Adds a person and signs them up with a new key, as `musterctl login` does. */
export async function signUp(cluster: RunningCluster, name: string, roles: string[]): Promise<Person> {
  const { signupToken } = await cluster.operator.users.createUser({ name, roles, signupTtlSeconds: 300 })
  const { hostRootsPem } = cluster.operator
  const privateKey = generateKey()
  const { certificate } = await signUpDirectly(cluster, { token: signupToken, name, privateKey })
  const own = { keyPem: privateKeyPem(privateKey), chainPem: chainPem(certificate!.chainDer) }
  const identity = new TlsIdentity({ own, hostRootsPem, userRootsPem: '' })
  const {
    'token-service': tokens,
    'ca-service': authority,
    'registration-service': register,
  } = byService(SERVING_SERVICES, (service) => open(cluster, service, identity))
  return {
    tokens: tokens.client(token.TokenServiceService),
    authority: authority.client(ca.CaServiceService),
    nodes: register.client(registration.RegistrationServiceService),
    users: register.client(users.UserServiceService),
    watch: (signal) => register.serverStream(registration.RegistrationServiceService.watchNodes, {}, signal),
  }
}

function open({ life, services }: RunningCluster, service: ServingService, identity: TlsIdentity): Connection {
  const addresses = services[service].map(({ address }) => address)
  return life.own(
    `a person's connection to ${service}`,
    withTestDeadline(connect({ addresses, identity, service })),
    (c) => c.close(),
  )
}
