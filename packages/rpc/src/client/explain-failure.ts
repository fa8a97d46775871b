import type { ServiceError } from '@grpc/grpc-js'
import { AppError } from '@muster/domain'
import { status } from '../grpc.ts'
import { fromStatus } from '../status.ts'
import type { RotatingChannelCredentials } from './channel-credentials.ts'
import { ServerNotTrustedError } from '../tls/server-trust.ts'

// How grpc-js begins the text of a connection failure on this side. Texts of a server never begin like this.
const LOCAL_FAILURE =
  /^(?:round_robin: |pick_first: )*(?:No connection established|Connection dropped|read E|write E|Name resolution failed)/

// How it ends a call whose deadline is over. Its text is of use to nobody: "Waiting for LB pick".
const DEADLINE = /^Deadline exceeded/
const DEADLINE_WITHOUT_CONNECTION = /(?:Waiting for LB pick|waiting for name resolution)$/

/**
 * Turns the failure of a call into an AppError. To grpc-js, an untrusted server looks like an unreachable one; this tells
 * them apart. Addresses and socket errors go into the cause: a service that passes the error on must not tell strangers
 * where its own dependencies are.
 */
export function explainFailure(error: ServiceError, credentials: RotatingChannelCredentials): AppError {
  const { service, trustFailure, waitsFor } = credentials
  const isUnconnected = error.code === status.UNAVAILABLE || DEADLINE_WITHOUT_CONNECTION.test(error.details)
  if (isUnconnected && trustFailure !== undefined) {
    return new AppError('unavailable', trustFailure.message, { cause: trustFailure })
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

function unreachable(service: string, detail: string): AppError {
  return new AppError('unavailable', `${service} cannot be reached; try again`, { cause: new Error(detail) })
}

/** True if a call failed because the server's certificate is not trusted. Never true for an answer of a server. */
export function isTrustFailure(error: unknown): boolean {
  return error instanceof AppError && error.cause instanceof ServerNotTrustedError
}
