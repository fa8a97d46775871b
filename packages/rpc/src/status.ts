import type { ServiceError, StatusObject } from '@grpc/grpc-js'
import { AppError, type ErrorKind, receivedError } from '@muster/domain'
import { addLegacyDetails, readLegacyDetails } from './legacy-details.ts'
import { decodeDetails, DETAILS_KEY, encodeDetails } from './status-details.ts'
import { logVerbosity, Metadata, setLogVerbosity, status as grpcStatus } from './grpc.ts'

// grpc-js also writes its errors to stderr; throwing them is enough.
setLogVerbosity(logVerbosity.NONE)

const STATUS_OF: Record<ErrorKind, grpcStatus> = {
  invalidArgument: grpcStatus.INVALID_ARGUMENT,
  unauthenticated: grpcStatus.UNAUTHENTICATED,
  permissionDenied: grpcStatus.PERMISSION_DENIED,
  notFound: grpcStatus.NOT_FOUND,
  alreadyExists: grpcStatus.ALREADY_EXISTS,
  failedPrecondition: grpcStatus.FAILED_PRECONDITION,
  aborted: grpcStatus.ABORTED,
  resourceExhausted: grpcStatus.RESOURCE_EXHAUSTED,
  unavailable: grpcStatus.UNAVAILABLE,
  deadlineExceeded: grpcStatus.DEADLINE_EXCEEDED,
  unimplemented: grpcStatus.UNIMPLEMENTED,
  internal: grpcStatus.INTERNAL,
}

const KIND_OF = new Map(Object.entries(STATUS_OF).map(([kind, code]) => [code, kind as ErrorKind]))
// A cancelled stream reads as a lost connection.
KIND_OF.set(grpcStatus.CANCELLED, 'unavailable')

/** The status of a failed call. An error that is not an AppError is opaque: its text is in the log only. */
export function toStatus(error: unknown): Pick<StatusObject, 'code' | 'details' | 'metadata'> {
  const metadata = new Metadata()
  if (!(error instanceof AppError)) return { code: grpcStatus.INTERNAL, details: 'internal error', metadata }
  const code = STATUS_OF[error.kind]
  const details = encodeDetails(code, error)
  if (details !== undefined) metadata.set(DETAILS_KEY, details)
  addLegacyDetails(metadata, error)
  return { code, details: error.message, metadata }
}

/** The error behind a status: kind, reason and field as the server gave them, over any number of hops. */
export function fromStatus(error: ServiceError): AppError {
  const { metadata } = error
  const details = metadata && { ...readLegacyDetails(metadata), ...decodeDetails(metadata.get(DETAILS_KEY)[0]) }
  return receivedError(KIND_OF.get(error.code) ?? 'internal', error.details || error.message, {
    cause: error,
    ...answeredAt(metadata),
    ...details,
  })
}

/** HTTP/2 servers of Node put their time into the headers of a response. */
function answeredAt(metadata: Metadata | undefined): { answeredAt?: Date } {
  const time = new Date(String(metadata?.get('date')[0] ?? ''))
  return Number.isNaN(time.getTime()) ? {} : { answeredAt: time }
}

/** True for an error that a peer answered, as grpc-js throws it: its stack says nothing about the peer. */
export function isServiceError(error: unknown): boolean {
  return error instanceof Error && 'metadata' in error && 'details' in error
}

/** The gRPC name of a status number, for logs and metrics. */
export function statusName(code: number): string {
  return grpcStatus[code] ?? String(code)
}
