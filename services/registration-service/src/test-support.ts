import { fileURLToPath } from 'node:url'
import { randomUUID, type KeyObject } from 'node:crypto'
import { Refusals } from '@muster/audit'
import { registration, token, type ca } from '@muster/contracts'
import { AppError, newTokenId, newTokenValue } from '@muster/domain'
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
import { botService } from './bots/service.ts'
import type { Deps } from './deps.ts'
import { HeartbeatPace } from './heartbeat-pace.ts'
import { activateNode, recordJoiningNode, type JoiningNode } from './nodes.ts'
import { OpenStreams } from './open-streams.ts'
import { Presence } from './presence.ts'
import { RefusedAttempts } from './refused-attempts.ts'
import { registrationService } from './service.ts'

export const { NodeStatus } = registration
export const contract = registration.RegistrationServiceService

export const silentLog = createLogger('test', 'silent')

/** A database with the schema of registration-service. */
export interface Store {
  database: TestDatabase
  pool: pg.Pool
  /** Another pool, as another replica has. */
  openPool(): pg.Pool
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
    openPool: () => openPool(options, silentLog),
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

/** token-service as far as registration-service needs it: spends each value on one key after the other, as it is told. */
export class FakeTokens {
  /** What it throws, before it spends or, `afterwards`, in place of its answer. */
  failure: { error: AppError; afterwards?: boolean } | undefined
  /** What it refuses to spend, and why. */
  refusal: ((request: token.SpendTokenRequest) => Partial<token.RefusedToken> | undefined) | undefined
  /** What the tokens that it spends carry. */
  carries: { botName?: string; nodeLabels?: Record<string, string> } = {}
  readonly spends: token.SpendTokenRequest[] = []
  readonly signupTokens: (token.CreateSignupTokenRequest & { id: string; value: string })[] = []
  readonly revokedSignups: token.RevokeSignupTokensRequest[] = []
  readonly #nodeIds = new Map<string, string>()

  async spendToken(request: token.SpendTokenRequest): Promise<token.SpendTokenResponse> {
    this.spends.push(request)
    if (this.failure !== undefined && this.failure.afterwards !== true) throw this.failure.error
    const refused = this.refusal?.(request)
    if (refused !== undefined) {
      return { result: { $case: 'refused', value: { reason: '', tokenId: '', restriction: '', ...refused } } }
    }
    const key = `${request.value} ${request.keyFingerprint.toString('hex')}`
    const nodeId = this.#nodeIds.get(key) ?? randomUUID()
    this.#nodeIds.set(key, nodeId)
    if (this.failure !== undefined) throw this.failure.error
    const tokenId = this.signupTokens.find(({ value }) => value === request.value)?.id ?? 'abcdefghij'
    return { result: { $case: 'spent', value: { nodeId, tokenId, botName: '', nodeLabels: {}, ...this.carries } } }
  }

  async createSignupToken(request: token.CreateSignupTokenRequest): Promise<token.CreateSignupTokenResponse> {
    if (this.failure !== undefined && this.failure.afterwards !== true) throw this.failure.error
    const id = newTokenId()
    const value = newTokenValue(id)
    this.signupTokens.push({ ...request, id, value })
    if (this.failure !== undefined) throw this.failure.error
    const expiresAt = new Date(Date.now() + request.ttlSeconds * 1_000)
    const { userName, createdBy } = request
    const type = token.TokenType.SIGNUP
    const empty = token.Token.decode(Buffer.alloc(0))
    return { token: { ...empty, id, userName, createdBy, expiresAt, type, maxUses: 1 }, value }
  }

  async revokeSignupTokens(request: token.RevokeSignupTokensRequest): Promise<token.RevokeSignupTokensResponse> {
    if (this.failure !== undefined) throw this.failure.error
    this.revokedSignups.push(request)
    return {}
  }
}

/** ca-service as far as registration-service needs it: signs with the authorities of the test cluster, for an hour. */
export class FakeAuthority {
  failure: { error: AppError; afterwards?: boolean } | undefined
  /** Runs after it has signed and before it answers. */
  meanwhile: (() => Promise<unknown>) | undefined
  /** What was signed for nodes, bots and people. */
  readonly signed: { request: ca.SignHostRequest; serial: string }[] = []
  readonly signedBots: { request: ca.SignBotRequest; serial: string }[] = []
  readonly signedUsers: { request: ca.SignUserRequest; serial: string }[] = []
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

  signHost(request: ca.SignHostRequest): Promise<ca.SignHostResponse> {
    return this.#sign({ kind: 'node', name: request.nodeId, roles: request.roles }, request, this.signed)
  }

  signBot(request: ca.SignBotRequest): Promise<ca.SignBotResponse> {
    return this.#sign({ kind: 'bot', name: request.name }, request, this.signedBots)
  }

  signUser(request: ca.SignUserRequest): Promise<ca.SignUserResponse> {
    const { name, roles, sessionExpiresAt } = request
    return this.#sign({ kind: 'user', name, roles }, request, this.signedUsers, sessionExpiresAt)
  }

  async #sign<R extends { publicKeyDer: Buffer }>(
    member: { kind: 'node' | 'bot' | 'user'; name: string; roles?: string[] },
    request: R,
    signed: { request: R; serial: string }[],
    endsBy: Date = new Date(8.64e15),
  ) {
    if (this.failure !== undefined && this.failure.afterwards !== true) throw this.failure.error
    const inAnHour = new Date(Date.now() + 3_600_000)
    const expiresAt = endsBy < inAnHour ? endsBy : inAnHour
    const made = this.#cluster.certify({ ...member, publicKeyDer: request.publicKeyDer, notAfter: expiresAt })
    signed.push({ request, serial: made.serial })
    await this.meanwhile?.()
    if (this.failure !== undefined) throw this.failure.error
    const { issuing } = this.#cluster.authorities[member.kind === 'user' ? 'user' : 'host']
    const certificate = { chainDer: [made.leafDer, issuing.certificateDer], serial: made.serial, expiresAt }
    return { certificate, trustBundle: this.trustBundle }
  }
}

/** One replica of registration-service on a free port, with connections of its own to the stores. */
export interface Replica {
  pool: pg.Pool
  presence: Presence
  pace: HeartbeatPace
  deps: Deps
  server: RpcServer
  connect(material: TestMaterial): Connection
  client(material: TestMaterial): ReturnType<typeof clientOf>
  close(): Promise<void>
}

/** A replica, and all that it shares with others. */
export interface Served extends Replica {
  database: TestDatabase
  cluster: TestCluster
  clock: ManualClock
  redis: TestRedis
  tokens: FakeTokens
  authority: FakeAuthority
  /** Another replica before the same stores. It is closed with this one. */
  addReplica(): Promise<Replica>
}

function clientOf(connection: Connection) {
  return connection.client(contract)
}

/** registration-service before a real database and a real Redis; the other services are fakes. */
export async function serveRegistration({
  log = silentLog,
  refusedPerMinute = 20,
}: { log?: Logger; refusedPerMinute?: number } = {}): Promise<Served> {
  const [store, redis] = await Promise.all([openStore(), createRedis()])
  const cluster = testCluster()
  const clock = manualClock()
  const tokens = new FakeTokens()
  const authority = new FakeAuthority(cluster)
  // Channels of Redis are common to all tests.
  const redisOptions = { redisUrl: redis.url, clusterName: `${randomUUID()}.internal`, log: silentLog }

  async function serveReplica(pool: pg.Pool): Promise<Replica> {
    const presence = await openPresence(redis, redisOptions.clusterName)
    const pace = new HeartbeatPace({ baseIntervalMs: 5_000, missedLimit: 3, beatsPerSecond: 2_000 })
    const refusedAttempts = new RefusedAttempts({ ...redisOptions, perMinute: refusedPerMinute })
    await isCounting(refusedAttempts, redis)
    const streams = new OpenStreams({ pool, presence, log: silentLog })
    const deps: Deps = {
      pool,
      presence,
      pace,
      streams,
      tokens,
      authority,
      identity: { trustBundle: () => authority.trustBundle },
      refusals: new Refusals(pool, silentLog),
      refusedAttempts,
      people: { sessionTtlSeconds: 86_400, addresses: { tokenService: ':3026', caService: ':3027' } },
      clock,
    }
    const server = await serveForTest({
      clusterName: cluster.clusterName,
      identity: cluster.service('registration-service'),
      services: [registrationService(deps), botService(deps)],
      mapError: asAppError,
      clock,
      log,
    })
    const { connect, closeAll } = connectionsTo(server, 'registration-service')
    return {
      pool,
      presence,
      pace,
      deps,
      server,
      connect,
      client: (material) => clientOf(connect(material)),
      async close() {
        closeAll()
        await server.close()
        streams.close()
        presence.close()
        refusedAttempts.close()
        await deps.refusals.close()
        await pool.end()
      },
    }
  }

  const first = await serveReplica(store.pool)
  const others: Replica[] = []
  return {
    ...first,
    database: store.database,
    cluster,
    clock,
    redis,
    tokens,
    authority,
    async addReplica() {
      const replica = await serveReplica(store.openPool())
      others.push(replica)
      return replica
    },
    async close() {
      for (const replica of [...others, first]) await replica.close()
      redis.close()
      await store.database.drop()
    },
  }
}

/** Waits until refused attempts are counted: while there is no connection to Redis they are not. */
export async function isCounting(refusedAttempts: RefusedAttempts, redis: TestRedis): Promise<void> {
  const source = randomUUID()
  await eventually('connected to Redis', async () => {
    await refusedAttempts.hit(source)
    return (await redis.client.keys(`*:refused:${source}`)).length === 1
  })
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
    nodeLabels: {},
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
