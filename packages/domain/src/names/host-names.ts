import { invalid } from '../errors/errors.ts'
import { refuseToken } from '../tokens/refuse-token.ts'
import { printable } from '../values/printable.ts'

// ASCII only, so look-alike letters of other scripts are rejected.
const HOST_LABEL = '[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?'
const HOSTNAME = new RegExp(`^${HOST_LABEL}(?:\\.${HOST_LABEL})*$`)
const DNS_NAME = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/

/** Checks a machine's own name: letters, digits, `-`, `_`, `.`; at most 253 characters. @throws invalidArgument */
export function parseHostname(value: string, field = 'hostname'): string {
  if (value.length > 253) throw invalid(field, 'longer than 253 characters')
  refuseToken(value, field)
  if (!HOSTNAME.test(value))
    throw invalid(
      field,
      `${printable(value)} is not a host name: labels of 1 to 63 letters, digits, - _ between dots, neither beginning nor ending with - _`,
    )
  return value
}

/** True for a name that may stand in a DNS subject alternative name (RFC 5280 §4.2.1.6, preferred syntax). */
export function isDnsName(value: string): boolean {
  return DNS_NAME.test(value)
}

/** Checks a DNS name and folds it to lower case. @throws invalidArgument */
export function parseDnsName(value: string, field: string): string {
  // Some letters outside ASCII fold to ASCII letters, so this check comes first.
  const name = /^[\x21-\x7e]+$/.test(value) ? value.toLowerCase() : ''
  if (!isDnsName(name)) throw invalid(field, `${printable(value)} is not a DNS name`)
  return name
}

/** The name is in the subject of every CA, where RFC 5280 allows an organization 64 characters. */
const MAX_CLUSTER_NAME_LENGTH = 64

/** Checks a cluster name: a DNS name with a dot, since it is the SPIFFE trust domain; at most 64 characters. @throws invalidArgument */
export function parseClusterName(value: string, field = 'cluster name'): string {
  const name = parseDnsName(value, field)
  if (name.length > MAX_CLUSTER_NAME_LENGTH) throw invalid(field, `longer than ${MAX_CLUSTER_NAME_LENGTH} characters`)
  if (!name.includes('.')) throw invalid(field, `${printable(value)} needs a dot, such as muster.internal`)
  return name
}
