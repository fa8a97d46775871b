import path from 'node:path'
import {
  byService,
  describeService,
  ENROLLING_SERVICES,
  SERVICE_NAMES,
  type ServiceName,
  SERVING_SERVICES,
  type ServingService,
} from '@muster/domain'
import type { Postgres, Redis } from '@muster/embedded-stores'
import type { OperatorProfile } from '@muster/identity'
import { ensureFolder, type Lifecycle, writeFileAtomic } from '@muster/runtime'
import { settlePorts } from './addresses.ts'
import { prepareDatabase } from './databases.ts'
import { issueOperator, setAddresses } from './operator.ts'
import { ensureSecrets } from './secrets.ts'
import { serviceEnv, type ServiceEnvOptions } from './service-env.ts'
import { programFile, startService, type ServiceProcess } from './service-process.ts'

/** How to run the services of a cluster on this machine. */
export interface ControlPlaneOptions {
  dataDir: string
  clusterName: string
  postgres: Pick<Postgres, 'url'>
  redis: Pick<Redis, 'url'>
  /** Database in Postgres; default `muster`. */
  database?: string
  /**
   * HOST:PORT for each replica of a service; default one replica on a free port of loopback, and none of an optional
   * service. Port 0 stands for a free port, found before any service starts.
   */
  listen?: Partial<Record<ServiceName, readonly string[]>>
  /** HOST:PORT that other machines use, given the port of registration-service or web-service. */
  publicAddress: (port: number) => string
  /** Names that foreign clients may check. */
  dnsNames: readonly string[]
  /** The file to run for a service; default the program in its package. */
  programFile?: (name: ServiceName) => string
  /** Variables on top of the usual, per service. */
  extraEnv?: Partial<Record<ServiceName, Record<string, string>>>
  /** The limit on open files of each replica; default that of this process. */
  maxOpenFiles?: Partial<Record<ServiceName, readonly (number | undefined)[]>>
  /** Runs one step of the start under a title for people to read. */
  step: <T>(title: string, work: () => Promise<T>) => Promise<T>
}

/** The services of a cluster as processes, and what is needed to use them. */
export interface ControlPlane {
  profile: OperatorProfile
  operatorDir: string
  services: Record<ServiceName, ServiceProcess[]>
  /** Starts a replica again, on the address that it had. */
  restart(name: ServiceName, replica: number): Promise<ServiceProcess>
  /** Gives the operator a fresh certificate. */
  renewOperator(): Promise<void>
}

/**
 * Starts the services of a cluster, each replica as a process: ca-service, then the operator identity, then the services
 * that enrol by token and pin. `life` stops what was started.
 */
export async function startControlPlane(options: ControlPlaneOptions, life: Lifecycle): Promise<ControlPlane> {
  const { dataDir, clusterName, dnsNames, step, programFile: fileOf = programFile } = options
  const logDir = path.join(dataDir, 'logs')
  await ensureFolder(logDir)
  const secrets = await ensureSecrets(dataDir)
  const databaseUrlFiles = await prepareDatabase(options.postgres, secrets.folder, options.database)
  const redisUrlFile = path.join(secrets.folder, 'redis-url')
  await writeFileAtomic(redisUrlFile, `${options.redis.url}\n`)
  const operatorDir = path.join(dataDir, 'operator')

  const listen = await settleAddresses(options.listen ?? {})
  const addresses = byService(SERVING_SERVICES, (name) => listen[name].map(reachedFromHere))
  const firstAddress = (name: ServingService) => addresses[name][0]!
  const registration = firstAddress('registration-service')
  const publicAddress = options.publicAddress(portOf(registration))
  const web = listen['web-service'][0]
  const webAddress = web === undefined ? undefined : options.publicAddress(portOf(web))
  const envOptions: ServiceEnvOptions = {
    clusterName,
    secrets,
    databaseUrlFiles,
    redisUrlFile,
    dnsNames,
    publicAddress,
    webAddress,
  }
  let caPins: string[] = []

  const startOne = (name: ServiceName, replica: number) =>
    startService({
      program: name,
      file: fileOf(name),
      env: {
        ...serviceEnv(name, listen[name][replica]!, envOptions, { addresses, caPins }),
        ...options.extraEnv?.[name],
      },
      logFile: path.join(logDir, `${name}.log`),
      maxOpenFiles: options.maxOpenFiles?.[name]?.[replica],
    })
  const services = byService(SERVICE_NAMES, (): ServiceProcess[] => [])
  const startAll = (name: ServiceName) =>
    step(name, async () => {
      for (const replica of listen[name].keys()) {
        services[name].push(await startOne(name, replica))
        life.own(name, replica, (i) => step(`stop ${name}`, () => services[name][i]!.stop()))
      }
    })

  await startAll('ca-service')
  caPins = (
    await step('operator identity', () =>
      issueOperator(operatorDir, envOptions, fileOf('ca-service'), options.extraEnv?.['ca-service']),
    )
  ).caPins
  for (const name of ENROLLING_SERVICES) await startAll(name)

  const profile = await setAddresses(operatorDir, {
    addresses: Object.fromEntries(
      SERVING_SERVICES.map((name) => [describeService(name).shortName, firstAddress(name)]),
    ) as OperatorProfile['addresses'],
    publicAddress,
    ...(webAddress !== undefined && { webAddress }),
  })
  return {
    profile,
    operatorDir,
    services,
    async restart(name, replica) {
      await services[name][replica]!.stop()
      return (services[name][replica] = await startOne(name, replica))
    },
    renewOperator: async () =>
      void (await issueOperator(operatorDir, envOptions, fileOf('ca-service'), options.extraEnv?.['ca-service'])),
  }
}

/** Finds the ports before any service starts, since services need each other's addresses and call in circles. */
async function settleAddresses(
  wanted: Partial<Record<ServiceName, readonly string[]>>,
): Promise<Record<ServiceName, string[]>> {
  const taken = new Set<number>()
  const settled = byService(SERVICE_NAMES, (): string[] => [])
  for (const name of SERVICE_NAMES) settled[name] = await settlePorts(wanted[name] ?? usual(name), taken)
  return settled
}

function usual(name: ServiceName): string[] {
  return describeService(name).isOptional ? [] : ['127.0.0.1:0']
}

function portOf(address: string): number {
  return Number(address.split(':').at(-1))
}

/** The address at which this machine reaches a listener. */
function reachedFromHere(address: string): string {
  return address.replace(/^0\.0\.0\.0:/, '127.0.0.1:')
}
