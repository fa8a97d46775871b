import type { Socket } from 'node:net'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import { messageOf, splitAddress } from '@muster/domain'
import { attemptToConnect, type AttemptLimits } from './attempt.ts'
import { openTcp, openTls, type TcpTarget } from './steps.ts'

/** The address to dial, HOST:PORT, and the limits of the attempt. */
export interface DialOptions extends AttemptLimits {
  address: string
}

/** A connection could not be opened. The message names the address and says what happened. */
export class DialError extends Error {
  override readonly name = 'DialError'
}

/** Opens a TCP connection, within the limit. @throws DialError */
export function dialTcp({ address, ...limits }: DialOptions): Promise<Socket> {
  return explained(
    address,
    attemptToConnect((attempt) => openTcp(attempt, targetOf(address)), limits),
  )
}

/** Opens a TLS connection, within one limit for all of it. @throws DialError; its cause is the error of the handshake */
export function dialTls({ address, ...limits }: DialOptions, options: ConnectionOptions): Promise<TLSSocket> {
  const target = targetOf(address)
  return explained(
    address,
    attemptToConnect(async (attempt) => openTls(attempt, await openTcp(attempt, target), target, options), limits),
  )
}

async function explained<T>(address: string, dialled: Promise<T>): Promise<T> {
  try {
    return await dialled
  } catch (error) {
    throw new DialError(`cannot reach ${address}: ${messageOf(error)}`, { cause: error })
  }
}

function targetOf(address: string): TcpTarget {
  const { host, port } = splitAddress(address)
  return { host, port: port! }
}
