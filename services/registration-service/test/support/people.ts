import { users } from '@muster/contracts'
import { BREAK_GLASS, type OperatorRole } from '@muster/domain'
import { createCsr, generateKey, keyFingerprint } from '@muster/pki'
import { asAppError } from '@muster/postgres'
import type { Connection } from '@muster/rpc'
import type { RpcServer } from '@muster/rpc/server'
import { type MemberRequest, type TestMaterial, type TestMember } from '@muster/testkit'
import { connectionsTo, serveForTest } from '@muster/testkit/rpc'
import type { KeyObject } from 'node:crypto'
import type pg from 'pg'
import type { Deps } from '../../src/deps.ts'
import { registrationService } from '../../src/nodes/service.ts'
import { granted, serveRegistration, type Served } from './service.ts'
import { operatorRoles } from '../../src/users/check-operator.ts'
import { userService } from '../../src/users/service.ts'
import { noteFirstCertificate } from '../../src/users/store/certificates.ts'
import { bindKey } from '../../src/users/store/identities.ts'
import { insertUser } from '../../src/users/store/people.ts'

export const contract = users.UserServiceService

/** registration-service that checks every operator on its own roll, as in production. */
export interface People {
  served: Served
  pool: pg.Pool
  server: RpcServer
  connect(material: TestMaterial): Connection
  client(material: TestMaterial): ReturnType<typeof clientOf>
  /** The holder of an identity that `ca-service issue-admin` made. */
  breakGlass: TestMember
  /** Adds a person who has signed up; by default as an admin. */
  add(name: string, options?: AddOptions): Promise<TestMember>
  /** Adds a person by RPC. @returns the token to sign up with */
  invite(name: string, roles?: readonly OperatorRole[]): Promise<string>
  signup(token: string, userName: string, privateKey?: KeyObject): Promise<users.SignupResponse>
  /** Deletes all people and the audit, with the counts that are not written yet. */
  empty(): Promise<void>
  /** Another replica on the same stores. @returns its clients */
  addReplica(): Promise<People['client']>
  close(): Promise<void>
}

interface AddOptions {
  roles?: OperatorRole[]
  sessionTtlSeconds?: number
}

function clientOf(connection: Connection) {
  return connection.client(contract)
}

export async function servePeople(options: Parameters<typeof serveRegistration>[0] = {}): Promise<People> {
  const served = await serveRegistration(options)
  const { cluster, pool } = served
  const serveReplica = async (deps: Deps) => {
    const server = await serveForTest({
      clusterName: cluster.clusterName,
      identity: cluster.service('registration-service'),
      services: [registrationService(deps), userService(deps)],
      currentRoles: operatorRoles(deps.pool),
      mapError: asAppError,
      ...(options.log === undefined ? {} : { log: options.log }),
    })
    const connections = connectionsTo(server, 'registration-service')
    closers.push(async () => {
      connections.closeAll()
      await server.close()
    })
    return { server, ...connections }
  }
  const closers: (() => Promise<void>)[] = []
  const replicas: Deps[] = [served.deps]
  const { server, connect } = await serveReplica(served.deps)
  const client = (material: TestMaterial) => clientOf(connect(material))
  const breakGlass = cluster.member({ kind: 'user', name: 'glass', roles: ['admin', BREAK_GLASS] })
  return {
    served,
    pool,
    server,
    connect,
    client,
    breakGlass,
    async add(name, { roles = ['admin'], sessionTtlSeconds }: AddOptions = {}) {
      const member = cluster.member({ kind: 'user', name, roles })
      await addPerson(pool, member, roles, sessionTtlSeconds)
      return member
    },
    async invite(name, roles = ['viewer']) {
      return (await client(breakGlass).createUser({ name, roles: [...roles], signupTtlSeconds: 600 })).signupToken
    },
    signup: (token, userName, privateKey = generateKey()) =>
      client(cluster.anonymous()).signup(signupRequest(token, userName, privateKey)),
    async empty() {
      for (const { refusals } of replicas) await refusals.close()
      await pool.query('truncate users, audit_events')
    },
    async addReplica() {
      const { deps } = await served.addReplica()
      replicas.push(deps)
      const replica = await serveReplica(deps)
      return (material) => clientOf(replica.connect(material))
    },
    async close() {
      for (const close of closers) await close()
      await served.close()
    },
  }
}

/** Adds a person who holds this certificate. */
async function addPerson(
  pool: pg.Pool,
  { name, publicKeyDer, serial }: TestMember,
  roles: readonly OperatorRole[],
  sessionTtlSeconds = 86_400,
): Promise<void> {
  const holder = { name, keyFingerprint: keyFingerprint(publicKeyDer) }
  const tokenId = `token-of-${name}`
  await insertUser(pool, { name, roles, createdBy: 'a test', signupTokenId: tokenId })
  await bindKey(pool, { ...holder, tokenId, sessionTtlSeconds, remoteAddress: '127.0.0.1' })
  const expiresAt = new Date(Date.now() + 3_600_000)
  await noteFirstCertificate(pool, { ...holder, ...granted(serial, expiresAt) })
}

export function signupRequest(token: string, userName: string, privateKey: KeyObject): users.SignupRequest {
  return { token, userName, csrDer: createCsr({ privateKey, commonName: 'signing up' }), formerChainDer: [] }
}

/** A request to come back: the key, and a certificate for it that expired an hour ago. */
export function returnRequest(
  { served: { cluster } }: Pick<People, 'served'>,
  name: string,
  privateKey: KeyObject,
  overrides: Partial<MemberRequest> = {},
): users.SignupRequest {
  const hoursAgo = (hours: number) => new Date(Date.now() - hours * 3_600_000)
  const dates = { notBefore: hoursAgo(13), notAfter: hoursAgo(1) }
  const former = cluster.member({ kind: 'user', name, roles: ['viewer'], privateKey, ...dates, ...overrides })
  return { ...signupRequest('', name, privateKey), formerChainDer: former.chainDer }
}
