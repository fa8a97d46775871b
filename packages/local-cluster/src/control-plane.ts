import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import type { Postgres, Redis } from '@muster/embedded-stores'
import { type Lifecycle, writeFileAtomic } from '@muster/runtime'
import type { OperatorProfile } from '@muster/identity'
import { settlePorts } from './addresses.ts'
import { prepareDatabase, type ServiceProgram } from './databases.ts'
import { issueOperator, setAddresses } from './operator.ts'
import { ensureSecrets } from './secrets.ts'
import { serviceEnv, type Peers, type ServiceEnvOptions } from './service-env.ts'
import { startService, type ServiceProcess } from './service-process.ts'

export interface ControlPlaneOptions {
  dataDir: string
  clusterName: string
  postgres: Pick<Postgres, 'url'>
  redis: Pick<Redis, 'url'>
  /** Database in Postgres; default `muster`. */
  database?: string
  /** HOST:PORT for each replica; port 0 stands for a free one, found before anything starts. */
  listen: Record<ServiceProgram, readonly string[]>
  /** HOST:PORT that other machines use, given the port that registration-service has. */
  publicAddress: (port: number) => string
  /** Names that foreign clients may check. */
  dnsNames: readonly string[]
  /** Variables on top of the usual, per service. */
  extraEnv?: Partial<Record<ServiceProgram, Record<string, string>>>
  /** Runs one step of the start under a title that a person may read. */
  step: <T>(title: string, work: () => Promise<T>) => Promise<T>
}

/** The services of a cluster as processes, and what is needed to use them. */
export interface ControlPlane {
  profile: OperatorProfile
  operatorDir: string
  services: Record<ServiceProgram, ServiceProcess[]>
  /** Starts a replica again on the address that it had. */
  restart(program: ServiceProgram, replica: number): Promise<ServiceProcess>
  /** Gives the operator a fresh certificate. */
  renewOperator(): Promise<void>
}

/**
 * Starts ca-service, makes the operator identity, then starts token-service and registration-service, which enroll by
 * token and pin. What it opens, it hands to `life`.
 */
export async function startControlPlane(options: ControlPlaneOptions, life: Lifecycle): Promise<ControlPlane> {
  const { dataDir, clusterName, dnsNames, step } = options
  const logDir = path.join(dataDir, 'logs')
  await mkdir(logDir, { recursive: true, mode: 0o700 })
  const secrets = await ensureSecrets(dataDir)
  const databaseUrlFiles = await prepareDatabase(options.postgres, secrets.folder, options.database)
  const redisUrlFile = path.join(secrets.folder, 'redis-url')
  await writeFileAtomic(redisUrlFile, `${options.redis.url}\n`)
  const operatorDir = path.join(dataDir, 'operator')

  const services: Record<ServiceProgram, ServiceProcess[]> = {
    'ca-service': [],
    'token-service': [],
    'registration-service': [],
  }
  // ca-service and token-service ask registration-service, which starts after them: all ports are known before.
  const taken = new Set<number>()
  const listen: Record<ServiceProgram, string[]> = {
    'ca-service': await settlePorts(options.listen['ca-service'], taken),
    'token-service': await settlePorts(options.listen['token-service'], taken),
    'registration-service': await settlePorts(options.listen['registration-service'], taken),
  }
  const addressesOf = (program: ServiceProgram) =>
    listen[program].map((address) => address.replace(/^0\.0\.0\.0:/, '127.0.0.1:'))
  const registration = addressesOf('registration-service')[0]!
  const publicAddress = options.publicAddress(Number(registration.split(':').at(-1)))
  const envOptions: ServiceEnvOptions = {
    clusterName,
    secrets,
    databaseUrlFiles,
    redisUrlFile,
    dnsNames,
    publicAddress,
  }
  let caPins: string[] = []
  const peers = (): Peers => ({
    ca: addressesOf('ca-service'),
    caPins,
    token: addressesOf('token-service'),
    registration: addressesOf('registration-service'),
  })

  const startOne = (program: ServiceProgram, listenAddress: string) =>
    startService({
      program,
      env: { ...serviceEnv(program, listenAddress, envOptions, peers()), ...options.extraEnv?.[program] },
      logFile: path.join(logDir, `${program}.log`),
    })
  const startAll = (program: ServiceProgram) =>
    step(program, async () => {
      for (const listenAddress of listen[program]) {
        services[program].push(await startOne(program, listenAddress))
        const replica = services[program].length - 1
        life.own(program, replica, (i) => step(`stop ${program}`, () => services[program][i]!.stop()))
      }
    })

  await startAll('ca-service')
  const { caPins: pins } = await step('operator identity', () => issueOperator(operatorDir, envOptions))
  caPins = pins
  await startAll('token-service')
  await startAll('registration-service')

  const profile = await setAddresses(operatorDir, {
    addresses: { registration, token: addressesOf('token-service')[0]!, ca: addressesOf('ca-service')[0]! },
    publicAddress,
  })
  return {
    profile,
    operatorDir,
    services,
    async restart(program, replica) {
      const former = services[program][replica]!
      await former.stop()
      return (services[program][replica] = await startOne(program, former.address))
    },
    renewOperator: async () => void (await issueOperator(operatorDir, envOptions)),
  }
}
