import * as contracts from '@muster/contracts'
import { AppError } from '@muster/domain'
import { beforeAll, expect, test } from '@jest/globals'
import type { Connection } from '@muster/rpc'
import { useSharedCluster } from '../harness/use-cluster.ts'
import { connectAs, logIn } from '../harness/login.ts'
import type { Addresses } from '../harness/operator.ts'

const { audit, bots, ca, confirmations, registration, token, users } = contracts
const cluster = useSharedCluster()

const SERVED_BY = {
  'token-service': [token.TokenServiceService, audit.AuditServiceService],
  'ca-service': [ca.CaServiceService, audit.AuditServiceService],
  'registration-service': [
    registration.RegistrationServiceService,
    users.UserServiceService,
    bots.BotServiceService,
    confirmations.ConfirmationServiceService,
    audit.AuditServiceService,
  ],
} as const

const PEOPLE = ['viewer', 'operator', 'admin'] as const
type Role = (typeof PEOPLE)[number]

/** Every RPC, by contract, and its callers: people with at least a role, or others. */
const NEEDED: Record<string, Record<string, string>> = {
  'muster.token.v1.TokenService': {
    CreateToken: 'operator',
    GetToken: 'viewer',
    ListTokens: 'viewer',
    ExtendToken: 'operator',
    RevokeToken: 'operator',
    SpendToken: 'registration-service',
    CreateSignupToken: 'registration-service',
    RevokeSignupTokens: 'registration-service',
  },
  'muster.ca.v1.CaService': {
    EnrollService: 'anyone',
    RenewService: 'token-service, registration-service, web-service',
    SignHost: 'registration-service',
    SignUser: 'registration-service',
    SignBot: 'registration-service',
    GetTrustBundle: 'anyone',
    WatchTrustBundle: 'token-service, registration-service, web-service',
    ListAuthorities: 'viewer',
    ListRotations: 'viewer',
    MoveRotation: 'admin',
  },
  'muster.registration.v1.RegistrationService': {
    Register: 'anyone',
    GetTrustBundle: 'anyone',
    RenewCertificate: 'nodes',
    RecoverCertificate: 'anyone',
    Heartbeat: 'nodes',
    RemoveNode: 'operator',
    BanNode: 'operator',
    UnbanNode: 'operator',
    ListNodes: 'viewer',
    WatchNodes: 'viewer',
  },
  'muster.registration.v1.UserService': {
    CreateUser: 'admin',
    ListUsers: 'viewer',
    UpdateUser: 'admin',
    ResetUser: 'admin',
    RemoveUser: 'admin',
    LockUser: 'admin',
    UnlockUser: 'admin',
    Signup: 'anyone',
    RenewUser: 'viewer',
    CheckOperator: 'token-service, ca-service',
  },
  'muster.registration.v1.ConfirmationService': { CountConfirmations: 'ca-service' },
  'muster.registration.v1.BotService': {
    RenewBot: 'bots',
    RemoveBot: 'operator',
    BanBot: 'operator',
    UnbanBot: 'operator',
    ListBots: 'viewer',
  },
  'muster.audit.v1.AuditService': { ListEvents: 'viewer', WatchEvents: 'viewer' },
}

const connections = new Map<Role, Record<keyof Addresses, Connection>>()

beforeAll(async () => {
  for (const role of PEOPLE) {
    const { identityDir } = await logIn(cluster(), `the-${role}`, role)
    connections.set(role, {
      'token-service': await connectAs(cluster(), identityDir, 'token-service'),
      'ca-service': await connectAs(cluster(), identityDir, 'ca-service'),
      'registration-service': await connectAs(cluster(), identityDir, 'registration-service'),
    })
  }
})

interface Rpc {
  path: string
  requestStream: boolean
  responseStream: boolean
  requestSerialize: (message: never) => Buffer
  requestDeserialize: (bytes: Buffer) => unknown
  responseSerialize: (message: never) => Buffer
  responseDeserialize: (bytes: Buffer) => unknown
}

/** Calls an RPC with an empty message. @returns the error of the server, or undefined if it had none */
async function call(connection: Connection, name: string, rpc: Rpc): Promise<AppError | undefined> {
  const empty = rpc.requestDeserialize(Buffer.alloc(0))
  const over = new AbortController()
  try {
    if (rpc.requestStream) {
      const stream = connection.duplex<unknown, unknown>(rpc as never, () => {})
      stream.send(empty)
      await stream.ended
    } else if (rpc.responseStream) {
      // Its first answer shows that the call was admitted; the stream would never end.
      for await (const _ of connection.serverStream<unknown, unknown>(rpc as never, empty, over.signal)) break
    } else {
      await (connection.client({ [name]: rpc } as never) as Record<string, (q: unknown) => Promise<unknown>>)[name]!(
        empty,
      )
    }
    return undefined
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  } finally {
    over.abort()
  }
}

function mayCall(role: Role, needed: string): boolean {
  if (needed === 'anyone') return true
  return PEOPLE.includes(needed as Role) && PEOPLE.indexOf(role) >= PEOPLE.indexOf(needed as Role)
}

const RPCS = Object.entries(SERVED_BY).flatMap(([service, definitions]) =>
  definitions.flatMap((definition) =>
    Object.entries(definition as unknown as Record<string, Rpc>).map(([name, rpc]) => {
      const [, contract = '', method = ''] = rpc.path.split('/')
      return { service: service as keyof Addresses, name, rpc, contract, method }
    }),
  ),
)

test('every RPC of every contract is served by a service and is in the table of this file', () => {
  const served = [...new Set(RPCS.map(({ contract, method }) => `${contract}/${method}`))].sort()
  const listed = Object.entries(NEEDED).flatMap(([contract, rpcs]) =>
    Object.keys(rpcs).map((method) => `${contract}/${method}`),
  )
  expect(served).toEqual(listed.sort())
  const stubs = Object.values(contracts).flatMap((file) => Object.values(file) as unknown[])
  const paths = stubs.flatMap((stub) =>
    isDefinition(stub) ? Object.values(stub).map(({ path }) => path.slice(1)) : [],
  )
  expect(paths.sort()).toEqual(served)
})

test.each(PEOPLE)(
  'a person with the role %s may call what the role allows, and is told which role the rest needs',
  async (role) => {
    const seen: Record<string, string> = {}
    const expected: Record<string, string> = {}
    for (const { service, name, rpc, contract, method } of RPCS) {
      const key = `${service} ${contract}/${method}`
      const needed = NEEDED[contract]![method]!
      const error = await call(connections.get(role)![service], name, rpc)
      const isTurnedAway =
        (error?.kind === 'unauthenticated' && error.reason !== 'RECOVERY_NOT_PROVED') ||
        error?.reason === 'CALLER_NOT_ALLOWED'
      expect([key, error?.kind]).not.toEqual([key, 'unavailable'])
      seen[key] = isTurnedAway ? `${error.kind}: ${error.message}` : 'let in'
      expected[key] = mayCall(role, needed) ? 'let in' : refusal(needed)
    }
    expect(seen).toEqual(expected)
  },
)

function isDefinition(stub: unknown): stub is Record<string, Rpc> {
  return (
    typeof stub === 'object' && stub !== null && Object.values(stub).some((rpc: Partial<Rpc>) => rpc.requestSerialize)
  )
}

function refusal(needed: string): string {
  const isRole = PEOPLE.some((role) => role === needed)
  return `permissionDenied: ${isRole ? `this needs an operator with the role ${needed}` : `only ${needed} may call this`}`
}
