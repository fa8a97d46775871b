import { isIP } from 'node:net'
import {
  addressesVariable,
  type AddressesVariable,
  parseCaPin,
  parseClusterName,
  parseDnsName,
  parseDuration,
  parseServerAddress,
  type ServiceDescriptor,
  type ServingService,
  splitAddress,
} from '@muster/domain'
import { OLDEST_SUPPORTED_AGENT, parseSemanticVersion } from '@muster/runtime'
import { type DatabaseOptions, parseDatabaseUrl } from '@muster/postgres'
import { z } from 'zod'
import { fileText, listOf, parsedBy } from './config.ts'
import { gateFields } from './gate-config.ts'
import { LOG_LEVELS } from './log.ts'

const address = (name: string) => parsedBy((text) => parseServerAddress(text, name))

/** The addresses of a service's replicas: one address of any kind, or several IP addresses. Calls go to each in turn. */
function replicaAddresses() {
  return listOf((text) => parseServerAddress(text, 'address')).refine(
    (addresses) => addresses.length === 1 || addresses.every((each) => isIP(splitAddress(each).host) !== 0),
    'several addresses must all be IP addresses; for several replicas behind a name give the one name',
  )
}

/** A variable that holds HOST:PORT, or :PORT for the host at which a person reaches the service that reads it. */
export function publicAddress(): z.ZodType<string, string> {
  return parsedBy((text) =>
    text.startsWith(':')
      ? parseServerAddress(`localhost${text}`, 'address').replace(/^localhost/, '')
      : parseServerAddress(text, 'address'),
  )
}

/**
 * The variable of the oldest agent that the cluster supports. registration-service tells it to agents, and web-service to machines
 * that have not joined.
 */
export function minimumAgentField() {
  return {
    MUSTER_MINIMUM_AGENT_VERSION: parsedBy((text) => parseSemanticVersion(text)).default(OLDEST_SUPPORTED_AGENT),
  }
}

/** Variables of every service. */
function everyFields(diagnosticsPort: number) {
  return {
    MUSTER_DIAGNOSTICS_ADDR: address('diagnostics address').default(`127.0.0.1:${diagnosticsPort}`),
    MUSTER_LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
  }
}

/** Variables of the services that serve gRPC or HTTPS. */
function servingFields(port: number) {
  return {
    MUSTER_LISTEN_ADDR: address('listen address').default(`0.0.0.0:${port}`),
    MUSTER_TLS_DNS_NAMES: listOf((text) => parseDnsName(text, 'DNS name')).default(['localhost']),
    MUSTER_DRAIN_TIMEOUT_MS: z.coerce.number().int().min(0).max(600_000).default(5_000),
    ...gateFields(),
  }
}

/** Where the database of a service is, and what a pooler before it can do. */
export function databaseFields() {
  return {
    MUSTER_DATABASE_URL_FILE: fileText().pipe(parsedBy(checkedDatabaseUrl)),
    MUSTER_DATABASE_POOL_MODE: z.enum(['session', 'transaction']).default('session'),
    MUSTER_DATABASE_NAMED_STATEMENTS: z.stringbool().default(true),
  }
}

/** The database that these variables name. */
export function databaseOf(
  config: z.output<z.ZodObject<ReturnType<typeof databaseFields>>>,
): Required<DatabaseOptions> {
  return {
    databaseUrl: config.MUSTER_DATABASE_URL_FILE,
    poolMode: config.MUSTER_DATABASE_POOL_MODE,
    namedStatements: config.MUSTER_DATABASE_NAMED_STATEMENTS,
  }
}

/** The URL as it is, once it can be read. */
function checkedDatabaseUrl(url: string): string {
  parseDatabaseUrl(url)
  return url
}

/** Variables of the services that own a schema. */
export function storeFields() {
  return {
    ...databaseFields(),
    MUSTER_DATABASE_POOL_SIZE: z.coerce.number().int().min(1).max(200).default(10),
    MUSTER_AUDIT_RETENTION: parsedBy((text) => parseDuration(text, 'audit retention')).default(90 * 86_400),
  }
}

/** Variables of the services that get their identity from ca-service. */
function enrolmentFields() {
  return {
    MUSTER_CA_ADDRS: replicaAddresses(),
    MUSTER_CA_PINS: listOf((text) => parseCaPin(text, 'pin')),
    MUSTER_ENROLL_TOKEN_FILE: fileText(),
  }
}

/** The fields of a schema if the service has that trait, else none. */
type FieldsIf<Trait, Fields> = [Trait] extends [false | undefined] ? unknown : Fields

/** The variables that follow from a service's descriptor. */
export type ServiceFields<D extends ServiceDescriptor> = ReturnType<typeof everyFields> &
  FieldsIf<D['listenPort'] | D['webPort'], ReturnType<typeof servingFields>> &
  FieldsIf<D['schema'], ReturnType<typeof storeFields>> &
  FieldsIf<D['enrols'], ReturnType<typeof enrolmentFields>> & {
    [Called in D['calls'][number] as AddressesVariable<Called>]: ReturnType<typeof replicaAddresses>
  }

/** What the variables that follow from a service's descriptor say. */
export type ServiceConfig<D extends ServiceDescriptor> = z.output<z.ZodObject<ServiceFields<D>>>

/** Every variable that a descriptor may ask for. */
export type AnyServiceConfig = z.output<z.ZodObject<ReturnType<typeof everyFields>>> &
  Partial<
    z.output<z.ZodObject<ReturnType<typeof servingFields>>> &
      z.output<z.ZodObject<ReturnType<typeof storeFields>>> &
      z.output<z.ZodObject<ReturnType<typeof enrolmentFields>>> &
      Record<AddressesVariable<ServingService>, string[]>
  >

/** The variables that follow from a service's descriptor; its own variables stand beside them in its schema. */
export function serviceFields<const D extends ServiceDescriptor>(descriptor: D): ServiceFields<D> {
  const { listenPort, webPort, schema, enrols, calls, diagnosticsPort } = descriptor
  const addresses = calls.map((called) => [addressesVariable(called), replicaAddresses()])
  const port = listenPort ?? webPort
  return {
    ...everyFields(diagnosticsPort),
    ...(port !== undefined && servingFields(port)),
    ...(schema !== undefined && storeFields()),
    ...(enrols && enrolmentFields()),
    ...Object.fromEntries(addresses),
  } as ServiceFields<D>
}

/** The variable of the one service that says what the cluster is called; the others learn it when they enrol. */
export function clusterNameField() {
  return { MUSTER_CLUSTER_NAME: parsedBy((text) => parseClusterName(text)).default('muster.internal') }
}
