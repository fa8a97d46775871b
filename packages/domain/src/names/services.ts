/** What a program needs to know of a service before it runs: one row of the table of services. */
export interface ServiceRow {
  /** Stands for the service in variables such as `MUSTER_TOKEN_ADDRS`, and in an operator's profile. */
  shortName: string
  /** The Postgres schema that it owns, with its audit; undefined for a service that stores nothing. */
  schema: string | undefined
  /** The default port of its gRPC listener; undefined for a service that serves no gRPC. */
  listenPort: number | undefined
  /** The default port of its HTTPS listener; undefined for a service that serves no HTTPS. */
  webPort: number | undefined
  /** The default port of /metrics, /healthz and /readyz. */
  diagnosticsPort: number
  /** The services that it calls, by name. */
  calls: readonly string[]
  /** Whether it gets its identity from ca-service by an enrolment token. */
  enrols: boolean
  /** Whether a cluster works without it. */
  isOptional: boolean
}

/**
 * The services of the control plane by name; the name is the last part of each one's SPIFFE id. To add a service, add its
 * row here and its folder under `services/`: configuration, enrolment, local clusters and clients all read this table.
 */
export const SERVICES = {
  'token-service': {
    shortName: 'token',
    schema: 'token',
    listenPort: 3026,
    webPort: undefined,
    diagnosticsPort: 9026,
    calls: ['registration-service'],
    enrols: true,
    isOptional: false,
  },
  'ca-service': {
    shortName: 'ca',
    schema: 'ca',
    listenPort: 3027,
    webPort: undefined,
    diagnosticsPort: 9027,
    calls: ['registration-service'],
    enrols: false,
    isOptional: false,
  },
  'registration-service': {
    shortName: 'registration',
    schema: 'registration',
    listenPort: 3025,
    webPort: undefined,
    diagnosticsPort: 9025,
    calls: ['token-service', 'ca-service'],
    enrols: true,
    isOptional: false,
  },
  'web-service': {
    shortName: 'web',
    schema: undefined,
    listenPort: undefined,
    webPort: 3080,
    diagnosticsPort: 9080,
    calls: ['ca-service'],
    enrols: true,
    isOptional: true,
  },
} as const satisfies Record<string, ServiceRow>

/** The name of a service. */
export type ServiceName = keyof typeof SERVICES

/** The names of the services whose row has this value, or a value of this type, in this column. */
type ServicesWhere<Column extends keyof ServiceRow, Value> = {
  [Name in ServiceName]: (typeof SERVICES)[Name][Column] extends Value ? Name : never
}[ServiceName]

/** The name of a service that owns a schema. */
export type StoringService = ServicesWhere<'schema', string>
/** The name of a service that can be called. */
export type ServingService = ServicesWhere<'listenPort', number>
/** The name of a service that gets its identity from ca-service by an enrolment token. */
export type EnrollingService = ServicesWhere<'enrols', true>

/** The name of a service that keeps an audit and shows it to operators. */
export type AuditedService = StoringService & ServingService

/** The short name of a service. */
export type ShortNameOf<Name extends ServiceName> = (typeof SERVICES)[Name]['shortName']
/** The row of any service, with its name. */
export type ServiceDescriptor = Omit<ServiceRow, 'calls'> & { name: ServiceName; calls: readonly ServingService[] }
/** The descriptor of one service. */
export type DescriptorOf<Name extends ServiceName> = { name: Name } & (typeof SERVICES)[Name]

/** The names of all services. */
export const SERVICE_NAMES = Object.keys(SERVICES) as ServiceName[]
/** The names of the services that own a schema. */
export const STORING_SERVICES = SERVICE_NAMES.filter((name) => rowOf(name).schema !== undefined) as StoringService[]
/** The names of the services that can be called. */
export const SERVING_SERVICES = SERVICE_NAMES.filter((name) => rowOf(name).listenPort !== undefined) as ServingService[]
/** The names of the services that keep an audit and show it to operators. */
export const AUDITED_SERVICES = SERVING_SERVICES.filter((name) => rowOf(name).schema !== undefined) as AuditedService[]
/** The names of the services that get their identity from ca-service by an enrolment token. */
export const ENROLLING_SERVICES = SERVICE_NAMES.filter((name) => rowOf(name).enrols) as EnrollingService[]
/** The names of the services that a cluster cannot work without. */
export const REQUIRED_SERVICES = SERVICE_NAMES.filter((name) => !rowOf(name).isOptional)

function rowOf(name: ServiceName): ServiceRow {
  return SERVICES[name]
}

/** Makes one thing for each of these services. */
export function byService<Name extends ServiceName, T>(
  names: readonly Name[],
  make: (name: Name) => T,
): Record<Name, T> {
  return Object.fromEntries(names.map((name) => [name, make(name)])) as Record<Name, T>
}

/** The row of a service, with its name. */
export function describeService<Name extends ServiceName>(name: Name): DescriptorOf<Name> {
  return { name, ...SERVICES[name] }
}

/** The services that call this one. */
export function callersOf(name: ServiceName): ServiceName[] {
  return SERVICE_NAMES.filter((caller) => rowOf(caller).calls.includes(name))
}

/** Checks the name of a service. @returns undefined for any other text */
export function findService(name: string): ServiceName | undefined {
  return SERVICE_NAMES.find((known) => known === name)
}

/** The name of the variable that holds the addresses of a service's replicas. */
export type AddressesVariable<Name extends ServiceName> = `MUSTER_${Uppercase<ShortNameOf<Name>>}_ADDRS`

/** The variable that holds the addresses of a service's replicas, for the services that call it: `MUSTER_TOKEN_ADDRS`. */
export function addressesVariable<Name extends ServiceName>(name: Name): AddressesVariable<Name> {
  const shortName = SERVICES[name].shortName.toUpperCase() as Uppercase<ShortNameOf<Name>>
  return `MUSTER_${shortName}_ADDRS`
}

/** The words of a name, joined as in the name of a variable. */
type InVariable<Name extends string> = Name extends `${infer Word}-${infer Rest}`
  ? `${Uppercase<Word>}_${InVariable<Rest>}`
  : Uppercase<Name>
/** The name of the variable of ca-service that names the file with a service's enrolment token. */
export type EnrolTokenVariable<Name extends ServiceName> = `MUSTER_${InVariable<Name>}_ENROLL_TOKEN_FILE`

/** The variable of ca-service that names the file with a service's enrolment token. */
export function enrolTokenVariable<Name extends ServiceName>(name: Name): EnrolTokenVariable<Name> {
  const inVariable = name.toUpperCase().replaceAll('-', '_') as InVariable<Name>
  return `MUSTER_${inVariable}_ENROLL_TOKEN_FILE`
}
