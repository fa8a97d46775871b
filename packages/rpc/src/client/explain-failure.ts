import type { ServiceError } from '@grpc/grpc-js'
import { AppError, ClockError } from '@muster/domain'
import { status } from '../grpc.ts'
import { fromStatus } from '../status.ts'
import type { RotatingChannelCredentials } from './channel-credentials.ts'
import { PinMismatchError, ServerNotTrustedError, WrongServiceError } from '../tls/server-trust.ts'

// How grpc-js begins the text of a connection failure on this side. Texts of a server never begin like this.
const LOCAL_FAILURE =
  /^(?:round_robin: |pick_first: )*(?:No connection established|Connection dropped|read E|write E|Name resolution failed)/

// How it ends a call whose deadline is over. Its text does not help a user: "Waiting for LB pick".
const DEADLINE = /^Deadline exceeded/
const DEADLINE_WITHOUT_CONNECTION = /(?:Waiting for LB pick|waiting for name resolution)$/

/**
 * Turns the failure of a call into an AppError. To grpc-js, an untrusted server looks like an unreachable one; this tells
 * them apart. Addresses and socket errors go into the cause: a service that passes the error on must not tell strangers
 * where its own dependencies are.
 */
export function explainFailure(error: ServiceError, credentials: RotatingChannelCredentials): AppError {
  const { service, trustFailure, clockError, waitsFor } = credentials
  const isUnconnected = error.code === status.UNAVAILABLE || DEADLINE_WITHOUT_CONNECTION.test(error.details)
  if (isUnconnected && trustFailure !== undefined) {
    return new AppError('unavailable', trustFailure.message, { cause: trustFailure })
  }
  if (isUnconnected && clockError !== undefined && isLocal(error)) {
    return new AppError('unavailable', clockError.message, { cause: clockError })
  }
  if (error.code === status.DEADLINE_EXCEEDED && DEADLINE.test(error.details)) {
    if (!isUnconnected) return new AppError('deadlineExceeded', `${service} did not answer in time`)
    return unreachable(service, `${waitsFor ?? 'its name could not be resolved'} in time`)
  }
  if (error.code !== status.UNAVAILABLE || !LOCAL_FAILURE.test(error.details)) return fromStatus(error)
  const detail = error.details
    .replace(/^(?:round_robin: |pick_first: |No connection established\. Last error: |\w*Error: )+/, '')
    .replace(/\.?\s*(?:Resolution note:.*)?$/s, '')
  // grpc-js writes the errors that it does not have like this.
  return unreachable(service, /^(?:undefined|null|)$/.test(detail) ? 'the connection was lost' : detail)
}

/** True for a failure on this side, false for an answer of a server. */
function isLocal({ code, details }: ServiceError): boolean {
  return code === status.DEADLINE_EXCEEDED ? DEADLINE.test(details) : LOCAL_FAILURE.test(details)
}

function unreachable(service: string, detail: string): AppError {
  return new AppError('unavailable', `${service} cannot be reached; try again`, { cause: new Error(detail) })
}

/** True if a call failed because a certificate of the server is not valid now by the clock of this machine. */
export function isClockFailure(error: unknown): boolean {
  return error instanceof AppError && error.cause instanceof ClockError
}

/** True if the root that a server showed does not match the pin. */
export function isPinMismatch(error: unknown): boolean {
  return error instanceof AppError && error.cause instanceof PinMismatchError
}

/** True if a server is genuine and another service than the one that was called: the address is wrong. */
export function isWrongService(error: unknown): boolean {
  return error instanceof AppError && error.cause instanceof WrongServiceError
}

/** True if a call failed because the server's certificate is not trusted. Never true for an answer of a server. */
export function isTrustFailure(error: unknown): boolean {
  return error instanceof AppError && error.cause instanceof ServerNotTrustedError
}
