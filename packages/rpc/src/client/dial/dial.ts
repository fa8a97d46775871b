import type { Socket } from 'node:net'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import { splitAddress } from '@muster/domain'
import { type Attempt, attemptToConnect, type AttemptLimits } from './attempt.ts'
import { noProxy, type Proxy, type ProxyFor } from './proxies.ts'
import { openTcp, openTcpThrough, openTls, type TcpTarget } from './steps.ts'

/** The address to dial, HOST:PORT, the proxy for it, and the limits of the attempt. */
export interface DialOptions extends AttemptLimits {
  address: string
  proxyFor?: ProxyFor | undefined
}

/** A connection could not be opened. The message names the address and says what happened. */
export class DialError extends Error {
  override readonly name = 'DialError'
}

/** Opens a TCP connection, or a tunnel where a proxy is set, within the limit. @throws DialError */
export function dialTcp(options: DialOptions): Promise<Socket> {
  return explained(
    options.address,
    attemptToConnect((attempt) => open(attempt, options), options),
  )
}

/** Opens a TLS connection, within one limit for all of it. @throws DialError; its cause is the error of the handshake */
export function dialTls(options: DialOptions, tls: ConnectionOptions): Promise<TLSSocket> {
  const { address, proxyFor = noProxy } = options
  return explained(
    address,
    attemptToConnect(async (attempt) => {
      const socket = await open(attempt, options)
      return openTls(attempt, socket, addressThrough(address, proxyFor(address)), tls)
    }, options),
  )
}

/** A server and the proxy on the way to it, for messages. */
export function addressThrough(address: string, proxy: Proxy | undefined): string {
  return proxy === undefined ? address : `${address} (through the proxy ${proxy.name})`
}

async function open(attempt: Attempt, { address, proxyFor = noProxy }: DialOptions): Promise<Socket> {
  const proxy = proxyFor(address)
  return proxy === undefined ? openTcp(attempt, targetOf(address)) : openTcpThrough(attempt, proxy, address, proxy)
}

async function explained<T>(address: string, dialled: Promise<T>): Promise<T> {
  try {
    return await dialled
  } catch (error) {
    throw new DialError(`cannot reach ${address}: ${(error as Error).message}`, { cause: error })
  }
}

function targetOf(address: string): TcpTarget {
  const { host, port } = splitAddress(address)
  return { host, port: port! }
}
