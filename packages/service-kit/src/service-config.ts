import { isIP } from 'node:net'
import {
  parseCaPin,
  parseClusterName,
  parseDnsName,
  parseDuration,
  parseServerAddress,
  splitAddress,
} from '@muster/domain'
import { z } from 'zod'
import { fileText, listOf, parsedBy } from './config.ts'
import { LOG_LEVELS } from './log.ts'

/** Variables that every service reads. */
export function commonFields(defaults: { listenAddress: string; diagnosticsAddress: string }) {
  const address = (name: string) => parsedBy((text) => parseServerAddress(text, name))
  return {
    MUSTER_LISTEN_ADDR: address('listen address').default(defaults.listenAddress),
    MUSTER_DIAGNOSTICS_ADDR: address('diagnostics address').default(defaults.diagnosticsAddress),
    MUSTER_DATABASE_URL_FILE: fileText(),
    MUSTER_DATABASE_POOL_SIZE: z.coerce.number().int().min(1).max(200).default(10),
    MUSTER_TLS_DNS_NAMES: listOf((text) => parseDnsName(text, 'DNS name')).default(['localhost']),
    MUSTER_DRAIN_TIMEOUT_MS: z.coerce.number().int().min(0).max(600_000).default(5_000),
    MUSTER_LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
  }
}

/** The addresses of a service's replicas: one of any kind, or several IP addresses, which calls go round. */
export function replicaAddresses() {
  return listOf((text) => parseServerAddress(text, 'address')).refine(
    (addresses) => addresses.length === 1 || addresses.every((address) => isIP(splitAddress(address).host) !== 0),
    'several addresses must all be IP addresses; for several replicas behind a name give the one name',
  )
}

/** Variables of the services that get their identity from ca-service. */
export function enrolmentFields() {
  return {
    MUSTER_CA_ADDRS: replicaAddresses(),
    MUSTER_CA_PINS: listOf((text) => parseCaPin(text, 'pin')),
    MUSTER_ENROLL_TOKEN_FILE: fileText(),
  }
}

/** The variable of the one service that says what the cluster is called; the others learn it when they enrol. */
export function clusterNameField() {
  return { MUSTER_CLUSTER_NAME: parsedBy((text) => parseClusterName(text)).default('muster.internal') }
}

/** The variable that says how long a service keeps its audit events, in seconds. */
export function auditFields() {
  return {
    MUSTER_AUDIT_RETENTION: parsedBy((text) => parseDuration(text, 'audit retention')).default(90 * 86_400),
  }
}
