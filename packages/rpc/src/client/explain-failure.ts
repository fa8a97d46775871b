import type { ServiceError } from '@grpc/grpc-js'
import { AppError } from '@muster/domain'
import { status } from '../grpc.ts'
import { fromStatus } from '../status.ts'
import type { RotatingChannelCredentials } from '../tls/channel-credentials.ts'
import { ServerNotTrustedError } from '../tls/server-trust.ts'

// How grpc-js begins the text of a connection failure on this side. Texts of a server never begin like this.
const LOCAL_FAILURE =
  /^(?:round_robin: |pick_first: )*(?:No connection established|Connection dropped|read E|write E|Name resolution failed)/

/**
 * Turns the failure of a call into an AppError. To grpc-js, an untrusted server looks like an unreachable one; this tells
 * them apart. Addresses and socket errors go into the cause: a service that passes the error on must not tell strangers
 * where its own dependencies are.
 */
export function explainFailure(error: ServiceError, credentials: RotatingChannelCredentials): AppError {
  const failure = credentials.trustFailure
  if (error.code !== status.UNAVAILABLE) return fromStatus(error)
  if (failure !== undefined) return new AppError('unavailable', failure.message, { cause: failure })
  if (!LOCAL_FAILURE.test(error.details)) return fromStatus(error)
  const detail = error.details
    .replace(/^(?:round_robin: |pick_first: |No connection established\. Last error: |Error: )+/, '')
    .replace(/\.?\s*(?:Resolution note:.*)?$/s, '')
  return new AppError('unavailable', `${credentials.service} cannot be reached; try again`, {
    cause: new Error(detail),
  })
}

/** True if a call failed because the server's certificate is not trusted. Never true for an answer of a server. */
export function isTrustFailure(error: unknown): boolean {
  return error instanceof AppError && error.cause instanceof ServerNotTrustedError
}
