import { isIP } from 'node:net'
import { invalid } from '../errors/errors.ts'
import { printable } from './roles.ts'
import { isTokenId, withoutSecrets } from '../tokens/token-value.ts'

// ASCII only: look-alike letters of other scripts are refused with the rest (peers' lesson "name interpolation").
const HOST_LABEL = '[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?'
const HOSTNAME = new RegExp(`^${HOST_LABEL}(?:\\.${HOST_LABEL})*$`)
const DNS_NAME = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/

/** A machine's own name: letters, digits, `-`, `_`, `.`; at most 253 characters. @throws invalidArgument */
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

/** A lower-case DNS name. @throws invalidArgument */
export function parseDnsName(value: string, field: string): string {
  // Some letters outside ASCII fold to one inside, so they are looked for first.
  const name = /^[\x21-\x7e]+$/.test(value) ? value.toLowerCase() : ''
  if (!isDnsName(name)) throw invalid(field, `${printable(value)} is not a DNS name`)
  return name
}

/** It stands in the subject of every CA, where RFC 5280 allows an organization 64 characters. */
const MAX_CLUSTER_NAME_LENGTH = 64

/** A cluster name: a DNS name with a dot, since it is the SPIFFE trust domain; at most 64 characters. @throws invalidArgument */
export function parseClusterName(value: string, field = 'cluster name'): string {
  const name = parseDnsName(value, field)
  if (name.length > MAX_CLUSTER_NAME_LENGTH) throw invalid(field, `longer than ${MAX_CLUSTER_NAME_LENGTH} characters`)
  if (!name.includes('.')) throw invalid(field, `${printable(value)} needs a dot, such as muster.internal`)
  return name
}

/** The name of a person or a bot: a lower-case letter, then letters, digits, `-`, `_`, `.`. @throws invalidArgument */
export function parseMemberName(value: string, field = 'name'): string {
  refuseToken(value, field)
  if (!/^[a-z][a-z0-9._-]{0,62}$/.test(value)) {
    throw invalid(field, `${printable(value)} must start with a lower-case letter; then a-z, 0-9, . _ -; at most 63`)
  }
  return value
}

/** A token reads like a name, and names are logged, recorded and shown. */
function refuseToken(value: string, field: string): void {
  if (withoutSecrets(value) !== value)
    throw invalid(field, 'holds a token, which belongs elsewhere; it is not repeated')
}

/** A token's name: as a member's, and not of the form of a token id. @throws invalidArgument */
export function parseTokenName(value: string, field = 'name'): string {
  const name = parseMemberName(value, field)
  if (isTokenId(name)) throw invalid(field, `${printable(value)} looks like a token id; choose another`)
  return name
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** True for a node id in canonical form. */
export function isNodeId(value: string): boolean {
  return UUID.test(value)
}

/** A node id in canonical form. @throws invalidArgument */
export function parseNodeId(value: string, field = 'node_id'): string {
  if (!isNodeId(value)) throw invalid(field, `${printable(value)} is not a UUID`)
  return value
}

/** The longest host name with a port. It bounds IPv6 zone ids, which have no bound of their own. */
const MAX_ADDRESS_LENGTH = 253 + ':65535'.length

/** An address a node says it can be reached at: a host name or IP, with or without port. Empty stays empty. */
export function parseAdvertisedAddress(value: string, field = 'advertised_address'): string {
  if (value.length > MAX_ADDRESS_LENGTH) throw invalid(field, `longer than ${MAX_ADDRESS_LENGTH} characters`)
  if (value === '' || isIP(value) !== 0) return value
  const { host, port } = splitAddress(value)
  if (isIP(host) === 0) parseHostname(host, field)
  if (port !== undefined && !(port > 0 && port < 65536)) throw invalid(field, `${printable(value)} has no valid port`)
  return value
}

/** A server's address, `HOST:PORT` or `[IPV6]:PORT`; the port may be left out where there is a default. @throws invalidArgument */
export function parseServerAddress(value: string, field: string, defaultPort?: number): string {
  const { host, port = defaultPort } = splitAddress(value.trim())
  if (port === undefined || !(port >= 0 && port < 65536)) {
    throw invalid(field, `${printable(value)} is not HOST:PORT`)
  }
  if (isIP(host) === 0) parseHostname(host, field)
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
}

/** Host and port of an address. The port is NaN when it is not a number and undefined when there is none. */
export function splitAddress(address: string): { host: string; port: number | undefined } {
  if (isIP(address) === 6) return { host: address, port: undefined }
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::(.*))?$/.exec(address)
  if (match === null) return { host: address, port: Number.NaN }
  const port = match[3] === undefined ? undefined : /^\d{1,5}$/.test(match[3]) ? Number(match[3]) : Number.NaN
  return { host: match[1] ?? match[2] ?? '', port }
}
