import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { defaultCacheDir, type Postgres, type Redis, startPostgres, startRedis } from '@muster/embedded-stores'
import { byService, describeService, SERVICE_NAMES, type ServiceName } from '@muster/domain'
import { type ControlPlane, type ServiceProcess, startControlPlane } from '@muster/local-cluster'
import type { Lifecycle } from '@muster/runtime'
import pg from 'pg'
import { connectOperator, type Operator } from './operator.ts'
import { programFile, useBundles } from './programs.ts'
import { waitFor } from './waiting.ts'

export interface ClusterOptions {
  /** The number of replicas of each service; default one, and none of an optional service. */
  replicas?: Partial<Record<ServiceName, number>>
  /** Variables on top of the usual. */
  env?: Partial<Record<ServiceName, Record<string, string>>>
  /** The limit on open files of each replica; default that of this process. */
  maxOpenFiles?: Partial<Record<ServiceName, readonly (number | undefined)[]>>
  /** False makes Postgres forget what a crash of the machine would lose: faster. Default false. */
  durable?: boolean
  /** Starts what stands beside or before Postgres. @returns the URL that services get, given that of Postgres itself */
  besidePostgres?: (postgres: Postgres, life: Lifecycle) => Promise<(url: string) => string>
  clusterName?: string
}

/** A cluster of real processes in a temporary folder. */
export interface Cluster extends ControlPlane {
  dataDir: string
  life: Lifecycle
  /** The current processes; a restart replaces them. */
  postgres: Postgres
  redis: Redis
  /** The lines that the stores have logged. */
  storeLog: string[]
  /** The database as its superuser. */
  db: pg.Pool
  operator: Operator
  /** Starts Postgres again where it was. */
  startPostgresAgain(): Promise<void>
  /** Starts Redis again where it was, empty. */
  startRedisAgain(): Promise<void>
  /** Resolves once both stores and every service answer as they should. */
  healthy(): Promise<void>
  /** The log of all replicas of a service. */
  serviceLog(program: ServiceName): Promise<string>
}

/** The parts of a cluster for tests that do not break it: no process of it can be stopped or restarted. */
export interface RunningCluster extends Pick<
  Cluster,
  'dataDir' | 'life' | 'db' | 'operator' | 'profile' | 'operatorDir' | 'serviceLog'
> {
  services: Record<ServiceName, Pick<ServiceProcess, 'address' | 'diagnosticsAddress'>[]>
}

/** A temporary folder that `life` removes. */
export async function temporaryFolder(life: Lifecycle): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'muster-system-'))
  return life.own('temporary folder', folder, (f) => rm(f, { recursive: true, force: true }))
}

/** Starts a cluster; `life` stops it. */
export async function startCluster(life: Lifecycle, options: ClusterOptions = {}): Promise<Cluster> {
  const { replicas = {}, env, maxOpenFiles, durable = false, clusterName = 'muster.internal' } = options
  const dataDir = await temporaryFolder(life)
  const storeLog: string[] = []
  const log = (line: string) => void storeLog.push(line)
  const redisOptions = {
    dataDir: path.join(dataDir, 'redis'),
    cacheDir: defaultCacheDir(process.env),
    env: { ...process.env, MUSTER_REDIS_URL: undefined },
    log,
  }
  const postgresOptions = { dataDir: path.join(dataDir, 'postgres'), durable, log }
  const stores = {
    postgres: await startPostgres(postgresOptions),
    redis: undefined as unknown as Redis,
  }
  life.own('Postgres', stores, (s) => s.postgres.stop())
  stores.redis = await startRedis(redisOptions)
  life.own('Redis', stores, (s) => s.redis.stop())

  const urlOf = (await options.besidePostgres?.(stores.postgres, life)) ?? ((url) => url)
  const forServices: Pick<Postgres, 'url'> = {
    url: (target) => {
      const url = stores.postgres.url(target)
      return target?.user === undefined ? url : urlOf(url)
    },
  }
  const count = (name: ServiceName) => replicas[name] ?? (describeService(name).isOptional ? 0 : 1)
  const listen = byService(SERVICE_NAMES, (name) => Array.from({ length: count(name) }, () => '127.0.0.1:0'))
  await useBundles()
  const controlPlane = await startControlPlane(
    {
      dataDir,
      programFile,
      clusterName,
      postgres: forServices,
      redis: stores.redis,
      listen,
      publicAddress: (port) => `127.0.0.1:${port}`,
      dnsNames: ['localhost'],
      ...(env === undefined ? {} : { extraEnv: env }),
      ...(maxOpenFiles === undefined ? {} : { maxOpenFiles }),
      step: (_title, work) => work(),
    },
    life,
  )
  const { services, operatorDir } = controlPlane
  const databaseUrl = stores.postgres.url({ database: 'muster' })
  const clients = await connectClients(life, { dataDir, operatorDir, services, databaseUrl })

  return Object.assign(stores, controlPlane, {
    ...clients,
    dataDir,
    life,
    storeLog,
    async startPostgresAgain() {
      await stores.postgres.exited
      stores.postgres = await startPostgres({ ...postgresOptions, port: stores.postgres.port })
    },
    async startRedisAgain() {
      await stores.redis.exited
      stores.redis = await startRedis({ ...redisOptions, sameAs: stores.redis })
    },
    async healthy() {
      for (const service of Object.values(services).flat()) {
        const url = `http://${service.diagnosticsAddress}/readyz`
        await waitFor(`${url} to say ready`, async () => (await fetch(url)).ok)
      }
    },
  })
}

/** Connects to the services as the operator and to the database as its superuser; `life` closes both. */
export async function connectClients(
  life: Lifecycle,
  where: Pick<RunningCluster, 'dataDir' | 'operatorDir' | 'services'> & { databaseUrl: string },
): Promise<Pick<RunningCluster, 'db' | 'operator' | 'serviceLog'>> {
  const { dataDir, operatorDir, services, databaseUrl } = where
  const addresses = byService(SERVICE_NAMES, (name) => services[name].map(({ address }) => address))
  const operator = await connectOperator(life, operatorDir, addresses)
  const db = new pg.Pool({ connectionString: databaseUrl, max: 8 })
  // Connections that a restart of Postgres cuts are replaced by themselves.
  db.on('error', () => {})
  life.own('superuser', db, (pool) => pool.end())
  return {
    db,
    operator,
    async serviceLog(program) {
      const folder = path.join(dataDir, 'logs')
      const files = (await readdir(folder)).filter((name) => name.startsWith(program))
      return (await Promise.all(files.map((name) => readFile(path.join(folder, name), 'utf8')))).join('')
    },
  }
}
