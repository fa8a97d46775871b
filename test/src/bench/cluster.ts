import path from 'node:path'
import { token } from '@muster/contracts'
import { defaultCacheDir, type Postgres, type Redis, startPostgres, startRedis } from '@muster/embedded-stores'
import { byService, REQUIRED_SERVICES, type ServiceName } from '@muster/domain'
import { type ControlPlane, startControlPlane } from '@muster/local-cluster'
import { connect, type Connection, TlsIdentity } from '@muster/rpc'
import type { Lifecycle } from '@muster/runtime'
import { type OperatorProfile, readIdentity } from '@muster/identity'
import { tokenRequest } from '../harness/operator.ts'
import type { CpuGroups } from './meter.ts'
import { createProbe, type Probe } from './probe-client.ts'

/** The cluster that is measured: one replica of each service, stores of its own, nothing else. */
export interface BenchCluster {
  postgres: Postgres
  redis: Redis
  controlPlane: ControlPlane
  probes: Record<ServiceName, Probe>
  /** The processes whose CPU time counts as the servers'. */
  cpuGroups: CpuGroups
  /** A connection with the operator's identity. */
  operate(service: ServiceName): Promise<Connection>
  /** A join token without a limit of uses, good for an hour. */
  createToken(): Promise<string>
  /** Ends registration-service and starts it again on its address, so that its memory is that of a fresh process. */
  restartRegistration(): Promise<void>
}

/** Starts stores and services with the settings that `npm start` uses. All of it ends with `life`. */
export async function startCluster(
  dataDir: string,
  life: Lifecycle,
  step: <T>(title: string, work: () => Promise<T>) => Promise<T>,
): Promise<BenchCluster> {
  const postgres = await step('Postgres', () => startPostgres({ dataDir: path.join(dataDir, 'postgres') }))
  life.own('Postgres', postgres, (p) => p.stop())
  const stores = { dataDir: path.join(dataDir, 'redis'), cacheDir: defaultCacheDir(process.env), env: process.env }
  const redis = await step('Redis', () => startRedis(stores))
  life.own('Redis', redis, (r) => r.stop())

  const probes = byService(REQUIRED_SERVICES, (name) => createProbe(path.join(dataDir, `${name}.probe`)))
  const controlPlane = await startControlPlane(
    {
      dataDir,
      clusterName: 'bench.internal',
      postgres,
      redis,
      publicAddress: (port) => `127.0.0.1:${port}`,
      dnsNames: ['localhost'],
      extraEnv: byService(REQUIRED_SERVICES, (name) => probes[name].env),
      step,
    },
    life,
  )

  const { services, profile, operatorDir } = controlPlane
  const pidOf = (name: ServiceName) => () => services[name][0]!.pid
  const operate = async (service: ServiceName) => {
    const identity = await readIdentity<OperatorProfile>(operatorDir)
    if (identity === undefined) throw new Error('the operator has no identity')
    const { keyPem, chainPem, bundlePem } = identity
    const tls = new TlsIdentity({ own: { keyPem, chainPem }, hostRootsPem: bundlePem, userRootsPem: '' })
    const address = services[service][0]!.address
    return connect({ addresses: [address], identity: tls, service, clusterName: profile.clusterName })
  }
  return {
    postgres,
    redis,
    controlPlane,
    probes,
    operate,
    cpuGroups: {
      ...byService(REQUIRED_SERVICES, pidOf),
      Postgres: () => postgres.pid,
      Redis: () => redis.pid,
    },
    async createToken() {
      const connection = await operate('token-service')
      try {
        const client = connection.client(token.TokenServiceService)
        const { value } = await client.createToken(tokenRequest({ ttlSeconds: 3600 }))
        return value
      } finally {
        connection.close()
      }
    },
    async restartRegistration() {
      probes['registration-service'].clear()
      await controlPlane.restart('registration-service', 0)
    },
  }
}
