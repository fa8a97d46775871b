import { BlockList, isIP } from 'node:net'
import { invalid } from '../errors/errors.ts'
import { printable } from '../values/printable.ts'
import { parseHostname } from './host-names.ts'

/** The length of the longest host name with a port. It also limits IPv6 zone ids, which have no limit of their own. */
const MAX_ADDRESS_LENGTH = 253 + ':65535'.length

/**
 * Checks the address at which a node says it can be reached: a host name or IP, with or without a port, or empty.
 * @throws invalidArgument
 */
export function parseAdvertisedAddress(value: string, field = 'advertised_address'): string {
  if (value.length > MAX_ADDRESS_LENGTH) throw invalid(field, `longer than ${MAX_ADDRESS_LENGTH} characters`)
  if (value === '' || isIP(value) !== 0) return value
  const { host, port } = splitAddress(value)
  if (isIP(host) === 0) parseHostname(host, field)
  if (port !== undefined && !(port > 0 && port < 65536)) throw invalid(field, `${printable(value)} has no valid port`)
  return value
}

/** Checks a server's address, `HOST:PORT` or `[IPV6]:PORT`; the port is optional if there is a default. @throws invalidArgument */
export function parseServerAddress(value: string, field: string, defaultPort?: number): string {
  const { host, port = defaultPort } = splitAddress(value.trim())
  if (port === undefined || !(port >= 0 && port < 65536)) {
    throw invalid(field, `${printable(value)} is not HOST:PORT`)
  }
  if (isIP(host) === 0) parseHostname(host, field)
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
}

/** The address that is given relative to another: `:PORT` means that port of the host in `base`; anything else is whole. */
export function resolveAddress(given: string, base: string): string {
  if (!given.startsWith(':')) return given
  const { host } = splitAddress(base)
  return `${host.includes(':') ? `[${host}]` : host}${given}`
}

/** Host and port of an address. The port is NaN when it is not a number and undefined when there is none. */
export function splitAddress(address: string): { host: string; port: number | undefined } {
  if (isIP(address) === 6) return { host: address, port: undefined }
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::(.*))?$/.exec(address)
  if (match === null) return { host: address, port: Number.NaN }
  const port = match[3] === undefined ? undefined : /^\d{1,5}$/.test(match[3]) ? Number(match[3]) : Number.NaN
  return { host: match[1] ?? match[2] ?? '', port }
}

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')
LOOPBACK.addAddress('0.0.0.0', 'ipv4')
LOOPBACK.addAddress('::', 'ipv6')

/** True for an address, HOST:PORT, that leads each machine to itself. A name counts only if it is localhost or below it. */
export function isLoopback(address: string): boolean {
  const { host } = splitAddress(address)
  const family = isIP(host)
  if (family === 0) return /^(?:.*\.)?localhost\.?$/i.test(host)
  return LOOPBACK.check(host, family === 4 ? 'ipv4' : 'ipv6')
}
