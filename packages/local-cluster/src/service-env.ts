import {
  addressesVariable,
  describeService,
  ENROLLING_SERVICES,
  enrolTokenVariable,
  type ServiceDescriptor,
  type ServiceName,
  type ServingService,
} from '@muster/domain'
import type { DatabaseUrlFiles } from './databases.ts'
import type { SecretFiles } from './secrets.ts'

/** What the services of a local cluster need to know about it. */
export interface ServiceEnvOptions {
  clusterName: string
  secrets: SecretFiles
  databaseUrlFiles: DatabaseUrlFiles
  redisUrlFile: string
  /** Names that foreign clients may check. */
  dnsNames: readonly string[]
  /** HOST:PORT at which other machines reach registration-service. */
  publicAddress: string
  /** HOST:PORT at which other machines reach web-service; undefined without one. */
  webAddress: string | undefined
}

/** How the services of a local cluster reach and trust each other. */
export interface Peers {
  /** HOST:PORT of each replica. */
  addresses: Record<ServingService, readonly string[]>
  /** Known once ca-service has started. */
  caPins: readonly string[]
}

type Environment = Record<string, string>

/** The variables that only one service reads. */
const OWN_VARIABLES: Partial<Record<ServiceName, (options: ServiceEnvOptions, peers: Peers) => Environment>> = {
  'token-service': ({ secrets }) => ({ MUSTER_PEPPER_FILE: secrets.pepper }),
  'ca-service': ({ clusterName, secrets }) => ({
    MUSTER_CLUSTER_NAME: clusterName,
    MUSTER_KEY_ENCRYPTION_KEY_FILE: secrets.keyEncryptionKey,
    ...Object.fromEntries(ENROLLING_SERVICES.map((name) => [enrolTokenVariable(name), secrets.enrollTokens[name]])),
  }),
  'web-service': ({ publicAddress, webAddress = '' }) => ({
    MUSTER_PUBLIC_ADDR: webAddress,
    MUSTER_PUBLIC_REGISTRATION_ADDR: publicAddress,
  }),
  'registration-service': ({ redisUrlFile, publicAddress, webAddress = '' }, { addresses }) => ({
    MUSTER_REDIS_URL_FILE: redisUrlFile,
    MUSTER_PUBLIC_ADDR: publicAddress,
    MUSTER_PUBLIC_TOKEN_ADDR: portOf(addresses['token-service'][0]!),
    MUSTER_PUBLIC_CA_ADDR: portOf(addresses['ca-service'][0]!),
    MUSTER_PUBLIC_WEB_ADDR: webAddress,
  }),
}

/** The environment of one replica of a service, by its descriptor. Its README says what each variable means. */
export function serviceEnv(
  name: ServiceName,
  listenAddress: string,
  options: ServiceEnvOptions,
  peers: Peers,
): Environment {
  const { schema, listenPort, webPort, calls, enrols }: ServiceDescriptor = describeService(name)
  const { secrets, databaseUrlFiles, dnsNames } = options
  const list = (service: ServingService) => peers.addresses[service].join(',')
  return {
    MUSTER_DIAGNOSTICS_ADDR: '127.0.0.1:0',
    ...((listenPort ?? webPort) !== undefined && {
      MUSTER_LISTEN_ADDR: listenAddress,
      MUSTER_TLS_DNS_NAMES: dnsNames.join(','),
    }),
    ...(schema !== undefined && { MUSTER_DATABASE_URL_FILE: ofService(databaseUrlFiles, name) }),
    ...(enrols && {
      MUSTER_CA_ADDRS: list('ca-service'),
      MUSTER_CA_PINS: peers.caPins.join(','),
      MUSTER_ENROLL_TOKEN_FILE: ofService(secrets.enrollTokens, name),
    }),
    ...Object.fromEntries(calls.map((called) => [addressesVariable(called), list(called)])),
    ...OWN_VARIABLES[name]?.(options, peers),
  }
}

function ofService(files: Partial<Record<ServiceName, string>>, name: ServiceName): string {
  const file = files[name]
  if (file === undefined) throw new Error(`there is no file for ${name}`)
  return file
}

/** `:PORT`: people reach the service on the host on which they reach registration-service. */
function portOf(address: string): string {
  return `:${address.split(':').at(-1)}`
}
