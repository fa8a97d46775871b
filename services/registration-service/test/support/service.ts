import { Registry } from 'prom-client'
import { entryCounter } from '../../src/metrics/roll-metrics.ts'
import { fileURLToPath } from 'node:url'
import { randomUUID, type KeyObject } from 'node:crypto'
import { Refusals } from '@muster/audit'
import { registration } from '@muster/contracts'
import { createCsr, generateKey, keyFingerprint } from '@muster/pki'
import { asAppError } from '@muster/postgres'
import type { Connection } from '@muster/rpc'
import type { RpcServer } from '@muster/rpc/server'
import type { Logger } from '@muster/runtime'
import {
  createRedis,
  eventually,
  manualClock,
  refusal,
  type ManualClock,
  silentLog,
  testCluster,
  type TestCluster,
  type TestDatabase,
  type TestMaterial,
  type TestMember,
  type TestRedis,
} from '@muster/testkit'
import { openStore as openAnyStore, type Store } from '@muster/testkit/store'
import { connectionsTo, serveForTest } from '@muster/testkit/rpc'
import type pg from 'pg'
import { botService } from '../../src/bots/service.ts'
import type { Deps } from '../../src/deps.ts'
import { FakeAuthority, FakeTokens } from './fake-services.ts'
import type { ClonePolicy } from '../../src/clones/clone-policy.ts'
import { reportTwins } from '../../src/clones/report-clone.ts'
import { HeartbeatPace } from '../../src/nodes/heartbeat-pace.ts'
import { activateNode, recordJoiningNode, type JoiningNode } from '../../src/nodes/store/joining.ts'
import { OpenStreams } from '../../src/nodes/open-streams.ts'
import { Presence } from '../../src/presence/presence.ts'
import { EntryLimits } from '../../src/entry/entry-limits.ts'
import { RefusedAttempts } from '../../src/entry/refused-attempts.ts'
import { registrationService } from '../../src/nodes/service.ts'
import type { GrantedCertificate, GrantedTrust } from '../../src/trust/granted-trust.ts'

export { refusal, silentLog, type Store }

export const { NodeStatus } = registration
export const contract = registration.RegistrationServiceService

/** The addresses of the services as people get them. */
export const ADDRESSES = {
  registrationService: 'muster.example:3025',
  tokenService: ':3026',
  caService: ':3027',
  webService: ':3080',
}

/** A database with the schema of registration-service. */
export function openStore(): Promise<Store> {
  const folder = fileURLToPath(new URL('../../migrations', import.meta.url))
  return openAnyStore({ schema: 'registration', folder })
}

/** The presence of a cluster that no other test uses, connected and listening. */
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

/** A replica, and everything that it shares with others. */
export interface Served extends Replica {
  database: TestDatabase
  cluster: TestCluster
  clock: ManualClock
  redis: TestRedis
  tokens: FakeTokens
  authority: FakeAuthority
  /** Has every source begin with no refusals, at all replicas. */
  forgetRefusals(): Promise<void>
  /** Another replica on the same stores. It is closed with this one. */
  addReplica(): Promise<Replica>
}

function clientOf(connection: Connection) {
  return connection.client(contract)
}

/** registration-service on a real database and a real Redis; the other services are fakes. */
export async function serveRegistration({
  log = silentLog,
  refusedPerMinute = 20,
  clonePolicy = 'deny',
}: { log?: Logger; refusedPerMinute?: number; clonePolicy?: ClonePolicy } = {}): Promise<Served> {
  const [store, redis] = await Promise.all([openStore(), createRedis()])
  const cluster = testCluster()
  const clock = manualClock()
  const tokens = new FakeTokens()
  const authority = new FakeAuthority(cluster)
  // Channels of Redis are common to all tests.
  const redisOptions = { redisUrl: redis.url, clusterName: `${randomUUID()}.internal`, log: silentLog }

  let aheadMs = 0
  const now = () => performance.now() + aheadMs

  async function serveReplica(pool: pg.Pool): Promise<Replica> {
    const presence = await openPresence(redis, redisOptions.clusterName)
    const pace = new HeartbeatPace({ baseIntervalMs: 5_000, missedLimit: 3, beatsPerSecond: 2_000 })
    const refusedAttempts = new RefusedAttempts({ ...redisOptions, perMinute: refusedPerMinute, now })
    await isCounting(refusedAttempts, redis)
    const streams = new OpenStreams({ pool, presence, log: silentLog })
    const twins = reportTwins({ pool, presence, clonePolicy }, silentLog)
    const deps: Deps = {
      pool,
      presence,
      pace,
      streams,
      tokens,
      authority,
      identity: { trustBundle: () => authority.trustBundle, signers: () => authority.signers },
      refusals: new Refusals(pool, silentLog),
      clonePolicy,
      recoveryWindowSeconds: 30 * 86_400,
      twins,
      entries: entryCounter(new Registry()),
      minimumAgentVersion: '0.1.0',
      entryLimits: new EntryLimits(refusedAttempts),
      people: { sessionTtlSeconds: 86_400, addresses: ADDRESSES },
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
        twins.close()
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
    async forgetRefusals() {
      await redis.empty()
      aheadMs += 60_000
    },
    async addReplica() {
      const replica = await serveReplica(store.openPool())
      others.push(replica)
      return replica
    },
    async close() {
      for (const replica of [...others, first]) await replica.close()
      await redis.close()
      await store.close()
    },
  }
}

/** Waits until refused attempts are counted in Redis: without a connection, each replica counts by itself. */
export async function isCounting(refusedAttempts: RefusedAttempts, redis: TestRedis): Promise<void> {
  await eventually('connected to Redis', async () => {
    const source = randomUUID()
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

/** A certificate of the first authority, as stored. */
export function granted(serial: string, expiresAt: Date, trust: Partial<GrantedTrust> = {}): GrantedCertificate {
  return { serial, expiresAt, authorityNumber: 1, trustVersion: 7, ...trust }
}

/** Puts a node with this certificate on the roll. */
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
    allowHostnames: [],
    spentAt: undefined,
    ...overrides,
  })
  await activateNode(pool, member.name, granted(member.serial, new Date(Date.now() + 86_400_000)))
}

/** True if Redis answers now. */
export async function isConnected(presence: Presence): Promise<boolean> {
  return (await presence.view([randomUUID()], 0)).available
}
