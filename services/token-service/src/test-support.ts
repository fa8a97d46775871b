import { fileURLToPath } from 'node:url'
import { randomBytes } from 'node:crypto'
import { token } from '@muster/contracts'
import { newTokenId, tokenDigest, type NodeRole } from '@muster/domain'
import { asAppError, migrate, openPool } from '@muster/postgres'
import type { Connection } from '@muster/rpc'
import type { RpcServer } from '@muster/rpc/server'
import { connectionsTo, serveForTest } from '@muster/rpc/testing'
import { systemClock, type Logger } from '@muster/runtime'
import { createLogger } from '@muster/runtime/service'
import { createDatabase, testCluster, type TestCluster, type TestDatabase, type TestMaterial } from '@muster/testkit'
import type pg from 'pg'
import type { Config } from './config.ts'
import { tokenService } from './service.ts'
import { spendToken, type SpendResult } from './spend.ts'
import { insertToken, type JoinToken, type NewToken } from './tokens.ts'

export const SCHEMA = 'token'
export const PEPPER = Buffer.from('CANARY-pepper-of-more-than-32-bytes')
export const DAY_SECONDS = 86_400

const silentLog = createLogger('test', 'silent')

/** A database with the schema of token-service, and pools as two replicas have them. */
export interface Store {
  database: TestDatabase
  pools: [pg.Pool, pg.Pool]
  /** The first of the pools. */
  pool: pg.Pool
  /** Looks on while all connections of the pools are busy. */
  observer: pg.Pool
  close(): Promise<void>
}

export async function openStore(): Promise<Store> {
  const database = await createDatabase()
  const folder = fileURLToPath(new URL('../migrations', import.meta.url))
  await migrate({ databaseUrl: database.url, schema: SCHEMA, folder }, silentLog)
  const open = () =>
    openPool({ databaseUrl: database.url, schema: SCHEMA, applicationName: 'test', size: 33 }, silentLog)
  const pools: [pg.Pool, pg.Pool] = [open(), open()]
  const observer = open()
  return {
    database,
    pools,
    pool: pools[0],
    observer,
    async close() {
      await Promise.all([...pools, observer].map((pool) => pool.end()))
      await database.drop()
    },
  }
}

/** Adds a token with this value; by default one for nodes, for an hour, without a limit. */
export function addToken(db: pg.Pool, value: string, overrides: Partial<NewToken> = {}): Promise<JoinToken> {
  return insertToken(db, {
    id: newTokenId(),
    digest: tokenDigest(PEPPER, value),
    roles: ['node'],
    labels: {},
    description: '',
    botName: undefined,
    createdBy: 'spiffe://c/user/ada',
    ttlSeconds: 3_600,
    maxUses: undefined,
    ...overrides,
  })
}

export function newKey(): Buffer {
  return randomBytes(32)
}

let nextNode = 0

/** Spends a token value, each time with another candidate for the node id, as the service does. */
export function spend(
  db: pg.Pool,
  value: string,
  keyFingerprint: Buffer,
  roles: NodeRole[] = ['node'],
): Promise<SpendResult> {
  nextNode += 1
  const candidateNodeId = `00000000-0000-4000-8000-${String(nextNode).padStart(12, '0')}`
  return spendToken(db, { digest: tokenDigest(PEPPER, value), roles, keyFingerprint, candidateNodeId })
}

export interface Served extends Store {
  cluster: TestCluster
  server: RpcServer
  connect(material: TestMaterial): Connection
  client(material: TestMaterial): ReturnType<typeof clientOf>
}

function clientOf(connection: Connection) {
  return connection.client(token.TokenServiceService)
}

/** token-service on a free port, before a real database. */
export async function serveTokens(log: Logger = silentLog): Promise<Served> {
  const store = await openStore()
  const cluster = testCluster()
  const config = { MUSTER_PEPPER_FILE: PEPPER, MUSTER_TOKEN_MAX_TTL: 7 * DAY_SECONDS } as Config
  const server = await serveForTest({
    clusterName: cluster.clusterName,
    identity: cluster.service('token-service'),
    services: [tokenService({ config, pool: store.pool, clock: systemClock })],
    mapError: asAppError,
    log,
  })
  const { connect, closeAll } = connectionsTo(server, 'token-service')
  return {
    ...store,
    cluster,
    server,
    connect,
    client: (material) => clientOf(connect(material)),
    async close() {
      closeAll()
      await server.close()
      await store.close()
    },
  }
}
