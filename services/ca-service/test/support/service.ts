import { fileURLToPath } from 'node:url'
import { randomBytes } from 'node:crypto'
import { expect } from '@jest/globals'
import { Refusals } from '@muster/audit'
import { ca, type confirmations } from '@muster/contracts'
import { AppError, type AuthorityType, type ServiceName } from '@muster/domain'
import { type Identity, parseIdentity, verifyChain } from '@muster/pki'
import { asAppError } from '@muster/postgres'
import type { Connection } from '@muster/rpc'
import type { RpcServer } from '@muster/rpc/server'
import { systemClock } from '@muster/runtime'
import { refusal, silentLog, testCluster, type TestCluster, type TestMaterial } from '@muster/testkit'
import { openStore as openAnyStore, type Store as AnyStore } from '@muster/testkit/store'
import { connectionsTo, serveForTest } from '@muster/testkit/rpc'
import { type Authority, ensureAuthorities } from '../../src/authorities/authorities.ts'
import type { AuthorityDeps } from '../../src/authorities/authority-deps.ts'
import { CurrentAuthorities } from '../../src/authorities/current-authorities.ts'
import type { Config } from '../../src/config.ts'
import type { Deps } from '../../src/deps.ts'
import { caService } from '../../src/rpc/service.ts'

export const CLUSTER_NAME = 'test.muster.internal'
export const DAY_MS = 86_400_000

export { refusal, silentLog }

/** A database with the schema of ca-service. */
export interface Store extends AnyStore {
  keyEncryptionKey: Buffer
  authorityDeps(overrides?: Partial<AuthorityDeps>): AuthorityDeps
}

/** Makes such a database. */
export async function openStore(): Promise<Store> {
  const folder = fileURLToPath(new URL('../../migrations', import.meta.url))
  const store = await openAnyStore({ schema: 'ca', folder })
  const keyEncryptionKey = randomBytes(32)
  const deps = { pool: store.pool, keyEncryptionKey, clusterName: CLUSTER_NAME, clock: systemClock, log: silentLog }
  return { ...store, keyEncryptionKey, authorityDeps: (overrides = {}) => ({ ...deps, ...overrides }) }
}

export const TOKENS = {
  'token-service': 'CANARY-enrolment-token-of-token-service',
  'registration-service': 'CANARY-enrolment-token-of-registration-service',
}

export interface Served extends Store {
  /** The cluster of the callers; its authorities are not those that the service signs with. */
  cluster: TestCluster
  server: RpcServer
  /** The authorities that were active at the start. */
  authorities: Record<AuthorityType, Authority>
  /** The authorities that the service signs with. */
  current: CurrentAuthorities
  /** What registration-service says of nodes, bots and people. */
  members: confirmations.CountConfirmationsResponse & { fails?: string }
  register: Deps['register']
  /** After `close` it has written its counts, and counts again from zero. */
  refusals: Refusals
  connect(material: TestMaterial): Connection
  client(material: TestMaterial): ReturnType<typeof clientOf>
  /** A client for this service. */
  as(service: ServiceName): ReturnType<typeof clientOf>
  /** Fails unless the chain leads to the root of the named authority. @returns the identity in the leaf */
  verified(reply: Pick<ca.SignHostResponse, 'certificate' | 'trustBundle'>, by?: 'host' | 'user'): Identity
  count(table: 'certificates' | 'audit_events'): Promise<number>
  /** Empties the tables of certificates and events, and drops the counted refusals. */
  clear(): Promise<void>
}

function clientOf(connection: Connection) {
  return connection.client(ca.CaServiceService)
}

/** ca-service on a free port, on a real database. */
export async function serveCa(): Promise<Served> {
  const store = await openStore()
  const cluster = testCluster(CLUSTER_NAME)
  const current = await CurrentAuthorities.open(() => ensureAuthorities(store.authorityDeps()))
  const authorities = { host: current.current.host.active, user: current.current.user.active }
  const config = {
    MUSTER_CLUSTER_NAME: CLUSTER_NAME,
    MUSTER_TOKEN_SERVICE_ENROLL_TOKEN_FILE: TOKENS['token-service'],
    MUSTER_REGISTRATION_SERVICE_ENROLL_TOKEN_FILE: TOKENS['registration-service'],
    MUSTER_WEB_SERVICE_ENROLL_TOKEN_FILE: '',
    MUSTER_NODE_CERTIFICATE_TTL_SECONDS: 3_600,
    MUSTER_SERVICE_CERTIFICATE_TTL_SECONDS: 7_200,
    MUSTER_USER_CERTIFICATE_TTL_SECONDS: 1_800,
    MUSTER_BOT_CERTIFICATE_TTL_SECONDS: 900,
  } as Config
  const refusals = new Refusals(store.pool, silentLog)
  const members: Served['members'] = { confirmations: [], unconfirmed: [] }
  const register = {
    countConfirmations: async () => {
      if (members.fails !== undefined) throw new AppError('unavailable', members.fails)
      return members
    },
  }
  const deps = { config, pool: store.pool, clock: systemClock, refusals, authorities: current, register }
  const server = await serveForTest({
    clusterName: CLUSTER_NAME,
    identity: cluster.service('ca-service'),
    services: [caService({ ...deps, authorityDeps: store.authorityDeps() })],
    mapError: asAppError,
  })
  const { connect, closeAll } = connectionsTo(server, 'ca-service')
  return {
    ...store,
    cluster,
    server,
    authorities,
    current,
    members,
    register,
    refusals,
    connect,
    client: (material) => clientOf(connect(material)),
    as: (service) => clientOf(connect(cluster.service(service))),
    verified({ certificate, trustBundle }, by = 'host') {
      const [leafDer, ...intermediatesDer] = certificate!.chainDer as [Buffer, Buffer]
      expect(trustBundle).toMatchObject({ version: expect.any(Number), clusterName: CLUSTER_NAME })
      expect(trustBundle!.hostRootsDer).toEqual([authorities.host.rootDer])
      expect(trustBundle!.userRootsDer).toEqual([authorities.user.rootDer])
      expect(verifyChain({ leafDer, intermediatesDer, rootsDer: [authorities[by].rootDer] })).toBe(true)
      const identity = parseIdentity(leafDer)
      expect(identity.serial).toBe(certificate!.serial)
      return identity
    },
    async count(table) {
      const { rows } = await store.pool.query<{ count: number }>(`select count(*)::int as count from ${table}`)
      return rows[0]!.count
    },
    async clear() {
      await refusals.close()
      await store.pool.query('truncate certificates, audit_events')
    },
    async close() {
      closeAll()
      await server.close()
      await refusals.close()
      await store.close()
    },
  }
}
