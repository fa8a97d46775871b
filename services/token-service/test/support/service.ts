import { fileURLToPath } from 'node:url'
import { randomBytes } from 'node:crypto'
import { Refusals } from '@muster/audit'
import { token } from '@muster/contracts'
import { newTokenId, type NodeRole, tokenDigest } from '@muster/domain'
import { asAppError } from '@muster/postgres'
import type { Connection } from '@muster/rpc'
import type { RpcServer } from '@muster/rpc/server'
import { type Logger, systemClock } from '@muster/runtime'
import { refusal, silentLog, testCluster, type TestCluster, type TestMaterial } from '@muster/testkit'
import { openStore as openAnyStore, type Store as AnyStore } from '@muster/testkit/store'
import { connectionsTo, serveForTest } from '@muster/testkit/rpc'
import type pg from 'pg'
import type { Config } from '../../src/config.ts'
import { tokenService } from '../../src/rpc/service.ts'
import { recordSpend, type SpendResult } from '../../src/store/spend.ts'
import type { StaticToken } from '../../src/static/static-config.ts'
import { StaticTokens } from '../../src/static/static-tokens.ts'
import { insertToken, type Configured, type NewToken, type StoredToken } from '../../src/store/tokens.ts'

export const SCHEMA = 'token'
export const PEPPER = Buffer.from('CANARY-pepper-of-more-than-32-bytes')
export const DAY_SECONDS = 86_400

export { refusal }

/** A database with the schema of token-service, and pools as two replicas have them. */
export interface Store extends Omit<AnyStore, 'openPool'> {
  /** The first is `pool`. */
  pools: [pg.Pool, pg.Pool]
  /** For queries while all connections of the pools are busy. */
  observer: pg.Pool
}

/** Makes this database; each of its pools takes 33 connections. */
export async function openStore(): Promise<Store> {
  const folder = fileURLToPath(new URL('../../migrations', import.meta.url))
  const store = await openAnyStore({ schema: SCHEMA, folder, poolSize: 33 })
  return { ...store, pools: [store.pool, store.openPool()], observer: store.openPool() }
}

/** Adds a token with this value; by default one for nodes, for an hour, without a limit. */
export async function addToken(db: pg.Pool, value: string, overrides: Partial<NewToken> = {}): Promise<StoredToken> {
  const added = await insertToken(db, {
    id: newTokenId(),
    digest: tokenDigest(PEPPER, value),
    type: 'join',
    name: undefined,
    roles: ['node'],
    labels: {},
    description: '',
    botName: undefined,
    userName: undefined,
    nodeLabels: {},
    allowCidrs: [],
    allowHostnames: [],
    createdBy: 'spiffe://c/user/ada',
    ttlSeconds: 3_600,
    maxUses: undefined,
    ...overrides,
  })
  if (added === undefined) throw new Error('the name is taken')
  return added
}

/** Adds a token by which one person may sign up. */
export function addSignupToken(db: pg.Pool, value: string, userName: string): Promise<StoredToken> {
  return addToken(db, value, { type: 'signup', userName, roles: [], maxUses: 1 })
}

export function newKey(): Buffer {
  return randomBytes(32)
}

/** The number of uses of a token, by its own count and by its spends. */
export async function usesOnRecord(db: pg.Pool, tokenId: string): Promise<{ uses: number; spends: number }> {
  const { rows } = await db.query<{ uses: number; spends: number }>(
    `select uses, (select count(*)::int from spends where token_id = $1) as spends from tokens where id = $1`,
    [tokenId],
  )
  return rows[0]!
}

/** The events of a token. */
export async function auditOf(db: pg.Pool, tokenId: string): Promise<Record<string, unknown>[]> {
  const { rows } = await db.query(
    'select action, actor, remote_address, outcome, node_id, details from audit_events where token_id = $1',
    [tokenId],
  )
  return rows
}

let nextNode = 0

export interface SpendOverrides {
  roles?: NodeRole[]
  hostname?: string
  userName?: string
  remoteAddress?: string
  configured?: Configured
}

/** Spends a token value, each time with another candidate for the node id, as the service does. */
export function spend(
  db: pg.Pool,
  value: string,
  keyFingerprint: Buffer,
  overrides: SpendOverrides = {},
): Promise<SpendResult> {
  nextNode += 1
  const { roles = ['node'], hostname = 'web-1', userName, remoteAddress = '127.0.0.1', configured = [] } = overrides
  return recordSpend(db, configured, {
    digest: tokenDigest(PEPPER, value),
    keyFingerprint,
    candidateNodeId: `00000000-0000-4000-8000-${String(nextNode).padStart(12, '0')}`,
    purpose: userName === undefined ? { roles, hostname } : { userName },
    remoteAddress,
    actor: 'spiffe://c/service/registration-service',
  })
}

/** A request for a token for nodes, for five minutes. */
export function createRequest(overrides: Partial<token.CreateTokenRequest> = {}): token.CreateTokenRequest {
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
    ...overrides,
  }
}

/** A request for the first page of live tokens. */
export function listRequest(overrides: Partial<token.ListTokensRequest> = {}): token.ListTokensRequest {
  return { pageSize: 0, pageToken: '', types: [], roles: [], labels: {}, states: [], used: false, ...overrides }
}

/** A request by which a node called web-1 joins from this machine. */
export function spendRequest(
  value: string,
  join: Partial<token.SpendTokenRequest_Join> = {},
  keyFingerprint = newKey(),
): token.SpendTokenRequest {
  const web1 = { roles: ['node'], remoteAddress: '127.0.0.1', hostname: 'web-1' }
  return { value, keyFingerprint, purpose: { $case: 'join', value: { ...web1, ...join } } }
}

/** A request by which a person signs up from this machine. */
export function signupRequest(value: string, userName: string, keyFingerprint = newKey()): token.SpendTokenRequest {
  const signup = { userName, remoteAddress: '127.0.0.1' }
  return { value, keyFingerprint, purpose: { $case: 'signup', value: signup } }
}

export interface Served extends Store {
  cluster: TestCluster
  server: RpcServer
  staticTokens: StaticTokens
  /** The refusals of the first replica. After `close` they are written, and counting starts again from zero. */
  refusals: Refusals
  connect(material: TestMaterial): Connection
  client(material: TestMaterial): ReturnType<typeof clientOf>
  /** The same for a second replica, on the second pool. */
  otherClient(material: TestMaterial): ReturnType<typeof clientOf>
  /** A client of the first replica, for a person with this role or for the service. */
  as(who: 'viewer' | 'operator' | 'admin' | 'registration-service'): ReturnType<typeof clientOf>
  /** The spends and refusals of the first replica. */
  spend(request: token.SpendTokenRequest): Promise<NonNullable<token.SpendTokenResponse['result']>>
  /** Empties the tables, and drops the counted refusals. */
  clear(): Promise<void>
}

function clientOf(connection: Connection) {
  return connection.client(token.TokenServiceService)
}

/** Two replicas of token-service on free ports, on one real database. */
export async function serveTokens(
  log: Logger = silentLog,
  configuredTokens: readonly StaticToken[] = [],
): Promise<Served> {
  const store = await openStore()
  const cluster = testCluster()
  const config = {
    MUSTER_PEPPER_FILE: PEPPER,
    MUSTER_TOKEN_MAX_TTL: 7 * DAY_SECONDS,
    MUSTER_SIGNUP_TOKEN_MAX_TTL: 2 * DAY_SECONDS,
  } as Config
  const serveOn = async (pool: pg.Pool) => {
    const staticTokens = new StaticTokens(configuredTokens, pool, PEPPER, log)
    await staticTokens.store()
    const refusals = new Refusals(pool, log)
    const server = await serveForTest({
      clusterName: cluster.clusterName,
      identity: cluster.service('token-service'),
      services: [tokenService({ config, pool, refusals, staticTokens, clock: systemClock })],
      mapError: asAppError,
      log,
    })
    return { staticTokens, refusals, server, ...connectionsTo(server, 'token-service') }
  }
  const first = await serveOn(store.pools[0])
  const second = await serveOn(store.pools[1])
  const client: Served['client'] = (material) => clientOf(first.connect(material))
  const as: Served['as'] = (who) =>
    client(who === 'registration-service' ? cluster.service(who) : cluster.user('ada', who))
  return {
    ...store,
    cluster,
    server: first.server,
    staticTokens: first.staticTokens,
    refusals: first.refusals,
    connect: first.connect,
    client,
    otherClient: (material) => clientOf(second.connect(material)),
    as,
    spend: async (request) => (await as('registration-service').spendToken(request)).result!,
    async clear() {
      await first.refusals.close()
      await store.pool.query('truncate tokens, spends, audit_events')
    },
    async close() {
      for (const { closeAll, server, refusals } of [first, second]) {
        closeAll()
        await server.close()
        await refusals.close()
      }
      await store.close()
    },
  }
}
