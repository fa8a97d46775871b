import { BlockList, isIP } from 'node:net'
import { AppError, splitAddress } from '@muster/domain'

/** A proxy that opens tunnels by CONNECT. */
export interface Proxy {
  host: string
  port: number
  /** HOST:PORT, for messages. */
  name: string
  /** The variable that names it. */
  variable: string
  /** The value of Proxy-Authorization; a secret. */
  authorization: string | undefined
}

/** The proxy for a connection to HOST:PORT; undefined for a direct connection. @throws AppError if the variable is malformed */
export type ProxyFor = (address: string) => Proxy | undefined

/** Connects directly, whatever the environment says. For services. */
export const noProxy: ProxyFor = () => undefined

// The order of gRPC programs, and the spelling that curl reads besides.
const PROXY_VARIABLES = ['grpc_proxy', 'https_proxy', 'HTTPS_PROXY', 'http_proxy']
const EXCEPTION_VARIABLES = ['no_grpc_proxy', 'no_proxy', 'NO_PROXY']

/**
 * Reads the proxy and its exceptions from the environment. Loopback is never proxied. An exception is a name with its
 * subdomains, an IP address, a network in CIDR notation, each with or without `:PORT`, or `*`.
 */
export function proxiesIn(env: Readonly<Record<string, string | undefined>>): ProxyFor {
  const firstOf = (names: readonly string[]) => names.find((name) => (env[name] ?? '').trim() !== '')
  const variable = firstOf(PROXY_VARIABLES)
  if (variable === undefined) return noProxy
  const exceptions = (env[firstOf(EXCEPTION_VARIABLES) ?? ''] ?? '').split(/[\s,]+/).filter((text) => text !== '')
  return (address) => {
    const { host, port } = splitAddress(address)
    const name = host.toLowerCase().replace(/\.$/, '')
    if (isLoopback(name) || exceptions.some((text) => isExcepted(text.toLowerCase(), name, port))) return undefined
    return parseProxy(env[variable]!.trim(), variable)
  }
}

/** The error never repeats the value: it may hold a password. */
function parseProxy(value: string, variable: string): Proxy {
  const url = parseUrl(/^[a-z][a-z\d+.-]*:\/\//i.test(value) ? value : `http://${value}`)
  if (url?.protocol !== 'http:' || url.hostname === '') {
    throw new AppError('invalidArgument', `${variable} must be http://[USER:PASSWORD@]HOST[:PORT] of a proxy`)
  }
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = url.port === '' ? 80 : Number(url.port)
  const authorization =
    url.username === ''
      ? undefined
      : `Basic ${Buffer.from(`${decoded(url.username)}:${decoded(url.password)}`).toString('base64')}`
  return { host, port, name: `${url.hostname}:${port}`, variable, authorization }
}

function parseUrl(text: string): URL | undefined {
  try {
    return new URL(text)
  } catch {
    return undefined
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || contains(LOOPBACK, host)
}

function isExcepted(exception: string, host: string, port: number | undefined): boolean {
  if (exception === '*') return true
  const network = /^(.+)\/(\d{1,3})$/.exec(exception)
  if (network !== null) return isInNetwork(network[1]!, Number(network[2]), host)
  const { host: given, port: onlyPort } = splitAddress(exception)
  if (onlyPort !== undefined && onlyPort !== port) return false
  const name = given.replace(/^\*?\./, '')
  return host === name || (isIP(host) === 0 && host.endsWith(`.${name}`))
}

function isInNetwork(network: string, bits: number, host: string): boolean {
  const family = isIP(network)
  if (family === 0 || bits > (family === 4 ? 32 : 128)) return false
  const list = new BlockList()
  list.addSubnet(network, bits, family === 4 ? 'ipv4' : 'ipv6')
  return contains(list, host)
}

function contains(list: BlockList, host: string): boolean {
  const family = isIP(host)
  return family !== 0 && list.check(host, family === 4 ? 'ipv4' : 'ipv6')
}
