import { fileURLToPath } from 'node:url'
import { randomUUID, type KeyObject } from 'node:crypto'
import { Refusals } from '@muster/audit'
import { registration, type ca, type token } from '@muster/contracts'
import { AppError } from '@muster/domain'
import { createCsr, generateKey, keyFingerprint } from '@muster/pki'
import { asAppError, migrate, openPool } from '@muster/postgres'
import type { Connection } from '@muster/rpc'
import type { RpcServer } from '@muster/rpc/server'
import { connectionsTo, serveForTest } from '@muster/rpc/testing'
import type { Logger } from '@muster/runtime'
import { createLogger } from '@muster/runtime/service'
import {
  createDatabase,
  createRedis,
  eventually,
  manualClock,
  testCluster,
  type ManualClock,
  type TestCluster,
  type TestDatabase,
  type TestMaterial,
  type TestMember,
  type TestRedis,
} from '@muster/testkit'
import type pg from 'pg'
import type { Deps } from './deps.ts'
import { HeartbeatPace } from './heartbeat-pace.ts'
import { activateNode, recordJoiningNode, type JoiningNode } from './nodes.ts'
import { Presence } from './presence.ts'
import { registrationService } from './service.ts'

export const { NodeStatus } = registration
export const contract = registration.RegistrationServiceService

export const silentLog = createLogger('test', 'silent')

/** A database with the schema of registration-service. */
export interface Store {
  database: TestDatabase
  pool: pg.Pool
  close(): Promise<void>
}

export async function openStore(): Promise<Store> {
  const database = await createDatabase()
  const folder = fileURLToPath(new URL('../migrations', import.meta.url))
  await migrate({ databaseUrl: database.url, schema: 'registration', folder }, silentLog)
  const options = { databaseUrl: database.url, schema: 'registration', applicationName: 'test' }
  const pool = openPool(options, silentLog)
  return {
    database,
    pool,
    async close() {
      await pool.end()
      await database.drop()
    },
  }
}

/** A presence of a cluster that no other test has, connected and listening. */
export async function openPresence(
  redis: TestRedis,
  clusterName = `${randomUUID()}.internal`,
  log: Logger = silentLog,
): Promise<Presence> {
  const presence = new Presence({ redisUrl: redis.url, clusterName, log })
  let listening = false
  presence.once('resync', () => (listening = true))
  await eventually('connected to Redis', async () => listening && (await isConnected(presence)))
  return presence
}

/** token-service as far as joins need it: spends each value on one key after the other, as it is told. */
export class FakeTokens {
  /** What it throws, before it spends or, `afterwards`, in place of its answer. */
  failure: { error: AppError; afterwards?: boolean } | undefined
  readonly spends: token.SpendTokenRequest[] = []
  readonly #nodeIds = new Map<string, string>()

  async spendToken(request: token.SpendTokenRequest): Promise<token.SpendTokenResponse> {
    this.spends.push(request)
    if (this.failure !== undefined && this.failure.afterwards !== true) throw this.failure.error
    const key = `${request.value} ${request.keyFingerprint.toString('hex')}`
    const nodeId = this.#nodeIds.get(key) ?? randomUUID()
    this.#nodeIds.set(key, nodeId)
    if (this.failure !== undefined) throw this.failure.error
    return { nodeId, tokenId: 'abcdefghij', expiresAt: new Date(Date.now() + 60_000) }
  }
}

/** ca-service as far as joins need it: signs with the authorities of the test cluster. */
export class FakeAuthority {
  failure: { error: AppError; afterwards?: boolean } | undefined
  /** Runs after it has signed and before it answers. */
  meanwhile: (() => Promise<unknown>) | undefined
  readonly signed: { request: ca.SignHostRequest; serial: string }[] = []
  readonly #cluster: TestCluster

  constructor(cluster: TestCluster) {
    this.#cluster = cluster
  }

  get trustBundle(): ca.TrustBundle {
    const { host, user } = this.#cluster.authorities
    return {
      version: 7,
      clusterName: this.#cluster.clusterName,
      hostRootsDer: [host.root.certificateDer],
      userRootsDer: [user.root.certificateDer],
    }
  }

  async signHost(request: ca.SignHostRequest): Promise<ca.SignHostResponse> {
    if (this.failure !== undefined && this.failure.afterwards !== true) throw this.failure.error
    const { nodeId: name, roles, publicKeyDer } = request
    const expiresAt = new Date(Date.now() + 3_600_000)
    const made = this.#cluster.certify({ kind: 'node', name, roles, publicKeyDer, notAfter: expiresAt })
    this.signed.push({ request, serial: made.serial })
    await this.meanwhile?.()
    if (this.failure !== undefined) throw this.failure.error
    const chainDer = [made.leafDer, this.#cluster.authorities.host.issuing.certificateDer]
    return { certificate: { chainDer, serial: made.serial, expiresAt }, trustBundle: this.trustBundle }
  }
}

export interface Served extends Store {
  cluster: TestCluster
  clock: ManualClock
  redis: TestRedis
  presence: Presence
  pace: HeartbeatPace
  tokens: FakeTokens
  authority: FakeAuthority
  deps: Deps
  server: RpcServer
  connect(material: TestMaterial): Connection
  client(material: TestMaterial): ReturnType<typeof clientOf>
}

function clientOf(connection: Connection) {
  return connection.client(contract)
}

/** registration-service on a free port, before a real database and a real Redis; the other services are fakes. */
export async function serveRegistration({ log = silentLog }: { log?: Logger } = {}): Promise<Served> {
  const [store, redis] = await Promise.all([openStore(), createRedis()])
  const cluster = testCluster()
  const clock = manualClock()
  const presence = await openPresence(redis)
  const pace = new HeartbeatPace({ baseIntervalMs: 5_000, missedLimit: 3, beatsPerSecond: 2_000 })
  const tokens = new FakeTokens()
  const authority = new FakeAuthority(cluster)
  const deps: Deps = {
    pool: store.pool,
    presence,
    pace,
    tokens,
    authority,
    identity: { trustBundle: () => authority.trustBundle },
    refusals: new Refusals(store.pool, silentLog),
    clock,
  }
  const server = await serveForTest({
    clusterName: cluster.clusterName,
    identity: cluster.service('registration-service'),
    services: [registrationService(deps)],
    mapError: asAppError,
    clock,
    log,
  })
  const { connect, closeAll } = connectionsTo(server, 'registration-service')
  return {
    ...store,
    cluster,
    clock,
    redis,
    presence,
    pace,
    tokens,
    authority,
    deps,
    server,
    connect,
    client: (material) => clientOf(connect(material)),
    async close() {
      closeAll()
      await server.close()
      presence.close()
      redis.close()
      await store.close()
    },
  }
}

/** A token of the form that token-service makes. */
export const TOKEN = 'mtk_abcdefghij_canarycanarycanarycanarycanaryca'

/** A well-formed request to join. */
export function joinRequest(
  overrides: Partial<registration.RegisterRequest> = {},
  privateKey: KeyObject = generateKey(),
): registration.RegisterRequest {
  return {
    token: TOKEN,
    csrDer: createCsr({ privateKey, commonName: 'joining' }),
    hostname: 'web-1',
    roles: ['node'],
    advertisedAddress: '10.0.0.7',
    labels: { env: 'prod' },
    version: '0.1.0',
    ...overrides,
  }
}

/** Puts a node on the roll that has this certificate. */
export async function addNode(pool: pg.Pool, member: TestMember, overrides: Partial<JoiningNode> = {}): Promise<void> {
  await recordJoiningNode(pool, {
    id: member.name,
    hostname: 'web-1',
    roles: ['node'],
    labels: {},
    version: '0.1.0',
    advertisedAddress: '',
    remoteAddress: '127.0.0.1',
    tokenId: 'abcdefghij',
    keyFingerprint: keyFingerprint(member.publicKeyDer),
    ...overrides,
  })
  await activateNode(pool, member.name, member.serial, new Date(Date.now() + 86_400_000))
}

/** What a call was refused with; fails the test if it was not. */
export async function refusal(call: Promise<unknown>): Promise<AppError> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error instanceof AppError) return error
  throw new Error('should have been refused', { cause: error })
}

/** True if Redis answers now. */
export async function isConnected(presence: Presence): Promise<boolean> {
  return (await presence.view([randomUUID()], 0)).available
}
