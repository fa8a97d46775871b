import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { audit } from '@muster/contracts'
import { migrate, openPool } from '@muster/postgres'
import type { ClientOf, Connection } from '@muster/rpc'
import { type Clock, systemClock } from '@muster/runtime'
import {
  connectionsTo,
  createDatabase,
  serveForTest,
  testCluster,
  type TestCluster,
  type TestDatabase,
  type TestMaterial,
} from '@muster/testkit'
import { createLogger } from '@muster/service-kit'
import type pg from 'pg'
import { auditService } from '../../src/service.ts'

export const silentLog = createLogger('test', 'silent')

/** The migrations that make up each service's table of audit events. */
export const MIGRATIONS = {
  'token-service': ['0001_tokens.sql', '0002_audit.sql'],
  'ca-service': ['0001_authorities.sql', '0002_audit.sql'],
  'registration-service': ['0001_nodes.sql', '0002_audit.sql'],
} as const

export type AuditedService = keyof typeof MIGRATIONS

/** A database with a service's own audit_events, in a schema that is the service's name. */
export interface Store {
  database: TestDatabase
  pool: pg.Pool
  /** Another connection to it, as another replica has one. */
  openPool(size?: number): pg.Pool
  close(): Promise<void>
}

export async function openStore(service: AuditedService = 'token-service'): Promise<Store> {
  const database = await createDatabase()
  await migrateAudit(database.url, service)
  const pools: pg.Pool[] = []
  const open = (size = 10) => {
    const pool = openPool({ databaseUrl: database.url, schema: service, applicationName: 'test', size }, silentLog)
    pools.push(pool)
    return pool
  }
  return {
    database,
    pool: open(),
    openPool: open,
    async close() {
      for (const pool of pools) if (!pool.ended) await pool.end()
      await database.drop()
    },
  }
}

/** Runs those migrations of a service alone: the later ones are no part of the audit. */
export async function migrateAudit(databaseUrl: string, service: AuditedService): Promise<void> {
  const all = fileURLToPath(new URL(`../../../../services/${service}/migrations`, import.meta.url))
  const folder = await mkdtemp(path.join(os.tmpdir(), 'muster-audit-'))
  try {
    for (const file of MIGRATIONS[service]) await copyFile(path.join(all, file), path.join(folder, file))
    await migrate({ databaseUrl, schema: service, folder }, silentLog)
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** Polls come sooner than they would. */
const hurried: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms / 20, signal) }

export interface Served extends Store {
  cluster: TestCluster
  /** Connects as whoever has that material. */
  connect(material: TestMaterial): Connection
  client: ClientOf<audit.AuditServiceService>
  /** Follows as an operator who may look. */
  watch(request: Partial<audit.WatchEventsRequest>, signal: AbortSignal): AsyncIterable<audit.WatchEventsResponse>
}

/** The audit of token-service on a free port, before a real database. */
export async function serveAudit(): Promise<Served> {
  const store = await openStore()
  const cluster = testCluster()
  const server = await serveForTest({
    clusterName: cluster.clusterName,
    identity: cluster.service('token-service'),
    services: [auditService({ name: 'token-service', pool: store.pool, clock: hurried })],
  })
  const { connect, closeAll } = connectionsTo(server, 'token-service')
  const viewer = connect(cluster.user('v', 'viewer'))
  const { watchEvents } = audit.AuditServiceService
  return {
    ...store,
    cluster,
    connect,
    client: viewer.client(audit.AuditServiceService),
    watch: (request, signal) =>
      viewer.serverStream(watchEvents, { filter: undefined, afterPosition: '', ...request }, signal),
    async close() {
      closeAll()
      await server.close()
      await store.close()
    },
  }
}

/** A filter that asks for what it is given only. */
export function filterBy(wanted: Partial<audit.EventFilter>): audit.EventFilter {
  return { since: undefined, action: '', actor: '', tokenId: '', nodeId: '', outcome: 0, ...wanted }
}
